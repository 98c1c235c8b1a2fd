/** Tells people that the server refused. */
import { Notification } from '@jupyterlab/apputils';

const SHOWN_MS = 10_000;

/** Await what a person asked for; if it fails, show why. */
export async function tellIfItFails(doing: Promise<unknown>): Promise<void> {
  try {
    await doing;
  } catch (error) {
    Notification.error(error instanceof Error ? error.message : String(error), {
      // Without a time it would only be counted in the status bar.
      autoClose: SHOWN_MS
    });
  }
}
