/** Where containerd 2 is for the tests. The containerd of Debian 13 is 1.7. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** Its programs; `npm test` fetches them where it can. */
export const containerd2 = resolve(import.meta.dir, '../../build/containerd-2/usr/bin')
export const hasContainerd2 = existsSync(`${containerd2}/containerd`)
/** Why a test is skipped, for the end of its name; empty when it is not. */
export const noContainerd2 = hasContainerd2 ? '' : ' (skipped: `npm test` could not fetch it)'
