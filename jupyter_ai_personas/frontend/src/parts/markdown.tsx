/** Markdown inside components, rendered and sanitized as the chat does it. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';

const MARKDOWN = 'text/markdown';

export function Markdown(props: { mime: IRenderMimeRegistry; text: string }): React.JSX.Element {
  const { mime, text } = props;
  const place = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    const renderer = mime.createRenderer(MARKDOWN);
    place.current?.replaceChildren(renderer.node);
    void renderer.renderModel(mime.createModel({ data: { [MARKDOWN]: text } }));
    return () => {
      renderer.dispose();
    };
  }, [mime, text]);
  return <div ref={place} />;
}
