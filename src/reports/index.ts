/** Door of reports: what a run left behind read, compared and shown, and data looked at before a run. */
export { compareRuns, describeComparison } from './compare_runs.js';
export {
  drawSheet,
  pictureOf,
  type SheetCell,
  type SheetPart,
  sheetImage,
} from './data_survey/contact_sheet.js';
export { describeSplit, faultsOf } from './data_survey/describe.js';
export { newWords } from './data_survey/new_words.js';
export { surveyData } from './data_survey/survey.js';
export { lookCells } from './looks.js';
export { comparePage } from './pages/compare_page.js';
export { type Explain, reportAtEnd, writeReport } from './pages/report_page.js';
export { thumbnail } from './pages/thumbnail.js';
export { findRun, lastEvaluations, readRun } from './read_run.js';
export { serveRun } from './watch_server.js';
