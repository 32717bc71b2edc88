/** Door of projects: a run begun. A folder of photos looked at, a recipe chosen, its YAML written; a toy project. */
export { RECIPES, type Recipe } from './choose_recipe.js';
export { type PhotoProject, type PhotoProjectOptions, writePhotoProject } from './photo_project.js';
export { writeToyProject } from './toy_project.js';
