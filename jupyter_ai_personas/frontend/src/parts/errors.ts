/** Tells people that the server refused. */
import { Notification, showErrorMessage } from '@jupyterlab/apputils';

import { ApiError } from '../api';

const SHOWN_MS = 10_000;

/** Await what a person asked for; if it fails, show why. */
export async function tellIfItFails(doing: Promise<unknown>): Promise<void> {
  try {
    await doing;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof ApiError && error.status === 0) {
      // JupyterLab loads what shows notifications from the server.
      void showErrorMessage('Not done', why);
    } else {
      // Without a time it would only be counted in the status bar.
      Notification.error(why, { autoClose: SHOWN_MS });
    }
  }
}
