/** Whether a caption has a letter or a digit: of punctuation alone a text processor leaves nothing to learn. */
export const hasWords = (caption: string): boolean => /[\p{L}\p{N}]/u.test(caption);
