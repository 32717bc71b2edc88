/** What `findRun` takes, as a command's argument. */
export const runFolder = {
  type: 'string',
  demandOption: true,
  describe: 'Folder of a run, or one above it: the newest run is taken',
} as const;
