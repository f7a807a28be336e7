import { connectUnix } from '../ttrpc/node.ts'
import { TaskClient, type TaskOptions } from './task-client.ts'

/** Connects to a shim by its address, `unix:///run/...`. @throws Error with `code` ENOENT, ECONNREFUSED... */
export async function connectTask(address: string, options: TaskOptions): Promise<TaskClient> {
  return new TaskClient(await connectUnix(address), options)
}
