/** Who the agent is, as Version and GetGuestDetails report it. */
export const agentVersion = '0.1.0'
/** Among its features: tells this agent from Kata's (src/agent/agent-facts.ts). */
export const agentFeature = 'kata-ts'
