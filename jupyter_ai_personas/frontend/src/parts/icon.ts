import { LabIcon } from '@jupyterlab/ui-components';

/** An `@` in a bubble. */
export const askIcon = new LabIcon({
  name: 'jupyter-ai-personas:ask',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="16">' +
    '<g fill="none" stroke="var(--jp-inverse-layout-color3)" stroke-width="1.3">' +
    '<path d="M2 2h12v9H7l-3 3v-3H2z"/><circle cx="7.7" cy="6.5" r="1.5"/>' +
    '<path d="M9.2 5v2q.9.7 1.3-.5a3 3 0 1 0-1.5 2.4"/></g></svg>'
});
