/** Personas in JupyterLab's chat. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { completionPlugin } from './completion';
import { livePlugin } from './live';
import { personasPlugin } from './personas';

export * from './tokens';

const plugins = [
  livePlugin,
  personasPlugin,
  completionPlugin
] as JupyterFrontEndPlugin<unknown>[];

export default plugins;
