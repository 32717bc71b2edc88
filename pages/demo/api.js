// The server's interface. Where it asks for a token, the address that it printed has it behind '#token='.

const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (given) {
  sessionStorage.setItem('token', given);
  history.replaceState(null, '', location.pathname); // it is not to be copied with the address
}
const token = sessionStorage.getItem('token');
const headers = token ? { authorization: `Bearer ${token}` } : {};

/** What a person is told of a request that failed. */
export class Failure extends Error {
  constructor({ message, found, allowed, help }) {
    super(message);
    this.details = [found, allowed && `allowed: ${allowed}`, help].filter(Boolean);
  }
}

async function checked(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Failure(body.error ?? { message: response.statusText });
}

export const get = async (path) => (await checked(await fetch(path, { headers }))).json();

/** Posts a form; what is undefined is left out, a list is sent several times. */
async function send(use, fields, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value].flat()) if (one !== undefined && one !== '') form.append(name, one);
  }
  return checked(await fetch(`/v1/${use}`, { method: 'POST', headers, body: form, signal }));
}

export const post = async (use, fields, signal) => (await send(use, fields, signal)).json();

/** The lines of a streamed answer as they come. */
export async function* stream(use, fields, signal) {
  const { body } = await send(use, { ...fields, stream: 'true' }, signal);
  const decoder = new TextDecoder();
  let rest = '';
  for (const reader = body.getReader(); ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.event === 'error') throw new Failure(event.error);
      yield event;
    }
  }
}

const photo = (path, more) => `/v1/photos?${new URLSearchParams({ path, ...more })}`;

/** Shows an image of the folder. */
export async function showPhoto(img, path, size) {
  if (!token) img.src = photo(path, { size });
  else
    img.src = URL.createObjectURL(
      await (await checked(await fetch(photo(path, { size }), { headers }))).blob(),
    );
}

/** The file of an image of the folder, as it is. */
export async function photoFile(path) {
  return (await checked(await fetch(photo(path, { original: 'true' }), { headers }))).blob();
}
