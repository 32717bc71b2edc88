/** Search: finds a folder's images by what they show. */
export { type ImageIndex, type IndexOptions, openIndex, searchedFolder } from './image_index.js';
export { type Found, type Query, type SearchOptions, search } from './search.js';
