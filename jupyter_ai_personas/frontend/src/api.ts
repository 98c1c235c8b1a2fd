/** The server's REST interface below `api/ai/`. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** A persona as the server lists it; the fields have the names of the REST interface. */
export interface IPersona {
  /** `null` if it is broken. */
  readonly id: string | null;
  readonly name: string;
  /** What follows the `@`. */
  readonly mention_name: string | null;
  readonly description: string;
  readonly avatar_url: string | null;
  readonly model: string | null;
  /** The models that it tells of; absent if it uses those of providers. */
  readonly own_models?: readonly IOwnModel[];
  readonly tools: readonly string[];
  readonly source: string;
  readonly status: 'ready' | 'broken';
  readonly problem: string | null;
}

export interface IOwnModel {
  readonly id: string;
  readonly name: string;
}

export interface IModelProvider {
  readonly id: string;
  readonly name: string;
  readonly models: readonly string[];
  /** Whether its models answer in chats. */
  readonly chat: boolean;
  readonly available: boolean;
  readonly problem: string | null;
}

/** A slash command; the name begins with the slash. */
export interface ICommand {
  readonly name: string;
  readonly help: string;
  readonly source: string;
  /** The persona whose command it is, or empty. */
  readonly persona: string;
}

/** The server refused; the message is for people. */
export class ApiError extends Error {
  /** @param status - 0 if there was no answer. */
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message);
  }
}

/** Calls of the REST interface. Each raises `ApiError` if the server refuses. */
export class Api {
  constructor(private readonly settings = ServerConnection.makeSettings()) {}

  async personas(chatPath: string): Promise<IPersona[]> {
    const answer = await this.get<{ personas: IPersona[] }>('personas', { chat_path: chatPath });
    return answer.personas;
  }

  async commands(chatPath: string): Promise<ICommand[]> {
    const answer = await this.get<{ commands: ICommand[] }>('commands', { chat_path: chatPath });
    return answer.commands;
  }

  async modelProviders(): Promise<IModelProvider[]> {
    const answer = await this.get<{ model_providers: IModelProvider[] }>('model_providers');
    return answer.model_providers;
  }

  async cancelTurn(turn: string): Promise<void> {
    await this.post(`turns/${encodeURIComponent(turn)}/cancel`);
  }

  /** Run a turn again; returns the id of the new one. */
  async retryTurn(turn: string): Promise<string> {
    const answer = await this.post<{ turn: string }>(`turns/${encodeURIComponent(turn)}/retry`);
    return answer.turn;
  }

  /** Get what is at a route below `api/ai/`. */
  async get<T>(route: string, query: Record<string, string> = {}): Promise<T> {
    return await this.request<T>('GET', route, query);
  }

  /** Send a JSON object to a route below `api/ai/`. */
  async post<T>(route: string, query: Record<string, string> = {}, body: object = {}): Promise<T> {
    return await this.request<T>('POST', route, query, body);
  }

  /** Put a JSON object to a route below `api/ai/`, after what was put before: the last one counts. */
  async put<T>(route: string, query: Record<string, string>, body: object): Promise<T> {
    const answer = this.putting.then(() => this.request<T>('PUT', route, query, body));
    this.putting = answer.catch(() => undefined);
    return await answer;
  }

  private async request<T>(
    method: string,
    route: string,
    query: Record<string, string>,
    body?: object
  ): Promise<T> {
    const url =
      URLExt.join(this.settings.baseUrl, 'api/ai', route) + URLExt.objectToQueryString(query);
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
    }
    const response = await ServerConnection.makeRequest(url, init, this.settings).catch(() => {
      throw new ApiError(0, 'The server cannot be reached. Try again when it is there.');
    });
    const answer = (await response.json().catch(() => ({}))) as T & { message?: string };
    if (!response.ok) {
      throw new ApiError(response.status, answer.message ?? response.statusText);
    }
    return answer;
  }

  private putting: Promise<unknown> = Promise.resolve();
}
