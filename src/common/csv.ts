/** A cell of a table divided by commas, in quotes where it needs them (RFC 4180). */
export const csvCell = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
