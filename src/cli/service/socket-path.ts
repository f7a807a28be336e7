/** Where the service and the command lines of users find each other. */
import { existsSync } from 'node:fs'

export const socketPath = (runDir: string): string => `${runDir}/service.sock`

export const hasService = (runDir: string): boolean => existsSync(socketPath(runDir))
