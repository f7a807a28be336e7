/** Credentials for registries, where `skopeo login`, `podman login` and `docker login` leave them. */
import { existsSync, writeFileSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { dictionary, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { text } from '../../json/values.ts'

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>
}

const readAuthFile = record<AuthFile>({
  auths: dictionary(
    record<{ readonly auth?: string; readonly identitytoken?: string }>({ auth: text, identitytoken: text }),
  ),
})

/**
 * The file that containers-auth.json(5) would take, or Docker's; undefined without one. `named` is the caller's own choice, which has
 * to be there; empty: none.
 */
export function findAuthFile(
  env: Readonly<Record<string, string | undefined>>,
  named: string | undefined,
): string | undefined {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, HOME } = env
  const chosen = named ?? REGISTRY_AUTH_FILE
  if (chosen !== undefined) return chosen === '' ? undefined : chosen
  const usual = [
    ...(XDG_RUNTIME_DIR === undefined ? [] : [`${XDG_RUNTIME_DIR}/containers/auth.json`]),
    '/run/containers/0/auth.json',
    ...(HOME === undefined ? [] : [`${HOME}/.config/containers/auth.json`, `${HOME}/.docker/config.json`]),
  ]
  return usual.find((path) => existsSync(path))
}

/**
 * Copies what logs in by itself to `target`. Credential helpers are programs that need the rights of the person, and are left out.
 *
 * @returns whether there is anything. @throws KataError AUTH_FILE_INVALID.
 */
export function copyCredentials(file: string, target: string): boolean {
  try {
    const { auths = {} } = readFile(readAuthFile, file)
    const usable = Object.entries(auths).filter(([, entry]) => entry.auth !== undefined && entry.auth !== '')
    if (usable.length === 0) return false
    writeFileSync(target, JSON.stringify({ auths: Object.fromEntries(usable) }), { flag: 'wx', mode: 0o400 })
    return true
  } catch (cause) {
    throw new KataError('AUTH_FILE_INVALID', { path: file, reason: describeError(cause) }, { cause })
  }
}
