/** Personas in JupyterLab's chat. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { personasPlugin } from './personas';

export * from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [personasPlugin];

export default plugins;
