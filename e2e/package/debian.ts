/** The Debian in which the package is installed and checked: one for all tests, because each takes a minute to make. */
import { depends } from '../../setup/package/control.ts'
import { provideBareDebian } from '../../setup/packages/bare-debian.ts'

export const debian13 = () => provideBareDebian('trixie', [...depends, 'lintian'])
