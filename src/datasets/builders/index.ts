/** Every builder: a new dataset is one new file and one line here. */
export { CocoCaptionBuilder } from './coco_caption.js';
export { ShapesCaptionBuilder } from './shapes_caption.js';
