import { existsSync } from 'node:fs';

/** One file to fetch. */
export interface DownloadItem {
  what: string;
  url: string;
  path: string;
  md5?: string;
  sha256?: string;
  /** The option that points elsewhere. */
  option: string;
  /** An archive: unpacked, and then removed. */
  unpack?: {
    folder: string;
    pick?: (name: string) => string | undefined;
    /** Called with the folder when it is whole. */
    done?: (folder: string) => Promise<void>;
    /** Whether what was in it is where it belongs. */
    present: () => boolean;
  };
}

export const isPresent = (item: DownloadItem) => item.unpack?.present() ?? existsSync(item.path);

/** Where most of an item ends up; for messages. */
export const placeOf = (item: DownloadItem) => item.unpack?.folder ?? item.path;
