/** Personas in JupyterLab's chat. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { livePlugin } from './live';
import { personasPlugin } from './personas';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [livePlugin, personasPlugin];

export default plugins;
