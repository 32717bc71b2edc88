/** Door of reports: what a run left behind read, compared and shown, and data looked at before a run. */
export { type Comparison, compareRuns, type Difference } from './compare_runs.js';
export { surveyCaptions, type TextLimit, textLimit } from './data_survey/captions.js';
export { drawSheet, type SheetCell, type SheetPart, sheetPart } from './data_survey/contact_sheet.js';
export { describeSplit, faultsOf, type SplitSurvey } from './data_survey/describe.js';
export { surveyIds } from './data_survey/ids.js';
export { surveyImages, surveyStream } from './data_survey/images.js';
export { comparePage } from './pages/compare_page.js';
export { findRun, lastEvaluations, type RunData, readRun } from './read_run.js';
export { watchServer } from './watch_server.js';
export { REPORT_IMAGES, reportAtEnd, writeReport } from './write_report.js';
