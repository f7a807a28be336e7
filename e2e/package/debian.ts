/** The Debian in which the package is installed and checked: one for all tests, because each takes a minute to make. */
import { depends } from '../../setup/package/control.ts'
import { provideBareDebian } from '../../setup/packages/bare-debian.ts'

/** What gets images, of the packages that ours recommends. */
export const clients = ['skopeo']
export const docker = ['docker.io', 'docker-cli', 'docker-compose']

export const debian13 = () => provideBareDebian('trixie', [...depends, ...clients, ...docker, 'lintian'])
