/** An image and what was said of it. */
export interface Captioned {
  image: string;
  captions: string[];
}

export type CaptionFormat = 'text' | 'json' | 'jsonl';

/** Prints captions: text and JSON Lines as they come, JSON as one object at the end. */
export class CaptionOutput {
  readonly #all: [image: string, captions: string[]][] = [];

  constructor(private readonly format: CaptionFormat) {}

  print({ image, captions }: Captioned): void {
    if (this.format === 'json') this.#all.push([image, captions]);
    else if (this.format === 'jsonl') console.log(JSON.stringify({ image, captions }));
    else for (const text of captions) console.log(`${image}: ${text}`);
  }

  end(): void {
    if (this.format === 'json') console.log(JSON.stringify(Object.fromEntries(this.#all), null, 2));
  }
}
