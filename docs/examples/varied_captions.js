/**
 * A task: captioning that also reports how varied the captions are, and chooses the best checkpoint by CIDEr
 * alone.
 */
import { CaptionTask, registry } from 'lavis';

class VariedCaptions extends CaptionTask {
  static setupTask(config) {
    const { settings, reportMetric, annotationFile } = CaptionTask.setupTask(config);
    return new VariedCaptions(settings, reportMetric, annotationFile);
  }

  /** Names that `run.monitor` may have, too. */
  async metricNames() {
    return [...(await super.metricNames()), 'different'];
  }

  /** @returns scores by name; `agg_metrics` chooses the best checkpoint. */
  async afterEvaluation(results, context) {
    const scores = await super.afterEvaluation(results, context);
    const different = new Set(results.map(({ caption }) => caption)).size;
    return scores && { ...scores, different: different / results.length, agg_metrics: scores.CIDEr };
  }
}

registry.registerTask('varied_captions')(VariedCaptions);
