/** Tells people that the server refused. */
import { Notification } from '@jupyterlab/apputils';

/** Await what a person asked for; if it fails, show why. */
export async function tellIfItFails(doing: Promise<unknown>): Promise<void> {
  try {
    await doing;
  } catch (error) {
    Notification.error(error instanceof Error ? error.message : String(error));
  }
}
