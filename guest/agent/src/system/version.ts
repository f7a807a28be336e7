/** Who the agent is, as Version and GetGuestDetails report it. */
export const agentVersion = '0.1.0'
/** Among its features: tells this agent from Kata's (src/agent/agent-facts.ts). */
export const agentFeature = 'kata-ts'
/** And this: much output and input of processes may go through the share's stream buffer. */
export const buffersFeature = 'stream-buffers'
