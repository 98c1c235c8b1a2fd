/** Personas in JupyterLab's chat. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { approvalsPlugin } from './approvals';
import { completionPlugin } from './completion';
import { feedbackPlugin } from './feedback';
import { linksPlugin } from './links';
import { livePlugin } from './live';
import { notebookPlugin } from './notebook';
import { panelPlugin } from './panel';
import { footersPlugin } from './parts/footers';
import { renderersPlugin } from './parts/renderers';
import { personasPlugin } from './personas';
import { repliesPlugin } from './replies';
import { detailsPlugin } from './replies/details';
import { diffsPlugin } from './replies/diffs';
import { stopPlugin } from './stop';

export * from './tokens';

const plugins = [
  livePlugin,
  personasPlugin,
  completionPlugin,
  stopPlugin,
  footersPlugin,
  renderersPlugin,
  repliesPlugin,
  detailsPlugin,
  diffsPlugin,
  linksPlugin,
  approvalsPlugin,
  feedbackPlugin,
  panelPlugin,
  notebookPlugin
] as JupyterFrontEndPlugin<unknown>[];

export default plugins;
