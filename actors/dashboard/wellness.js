// From the head's /v1/status to a verdict: is it well, and if not, what is not?
import {duration} from './dom.js';

export const signs = {
  ready: '●', loading: '◐', joining: '○', draining: '◒', lost: '◌', crashing: '▲', gone: '✕',
};

/** The state as people say it, and its colour: well, busy, bad or idle. */
export function stateOf(member) {
  if (member.crash_loop) return {word: 'crashing', colour: 'bad'};
  if (member.state === 'ready' && !member.in_contact) return {word: 'lost', colour: 'busy'};
  if (member.state === 'ready') return {word: 'ready', colour: 'well'};
  if (member.drained && member.state !== 'draining') return {word: 'drained', colour: 'idle'};
  if (member.state === 'gone') return {word: 'gone', colour: 'bad'};
  return {word: member.state, colour: 'busy'};
}

export const running = (operation) => !['done', 'failed', 'rolled_back', 'rolled back', 'stopped', 'cancelled'].includes(operation.state);

const membersOf = (status, generation) => status.members.filter((member) =>
  member.index === generation.index && (member.generation === generation.generation || !member.generation));

export {membersOf};

function problemsOfGeneration(status, generation) {
  const problems = [];
  const several = status.generations.length > 1;
  for (let shard = 0; shard < generation.shards; ++shard) {
    const where = several ? `shard ${shard} of ${generation.index}` : `shard ${shard}`;
    const ready = membersOf(status, generation).filter((member) => member.shard === shard && member.state === 'ready').length;
    if (ready === 0) {
      problems.push({bad: true, text: `No replica of ${where} is ready: queries of ${generation.index} fail.`});
    } else if (ready < generation.replicas) {
      problems.push({bad: false, text: `${where} has ${ready} of ${generation.replicas} replicas.`});
    }
  }
  return problems;
}

/** [{bad, text}], the worst first. `refusing`: names of the nodes that refused requests lately. */
export function problemsOf(status, refusing) {
  const problems = status.generations.filter((generation) => generation.role === 'live')
    .flatMap((generation) => problemsOfGeneration(status, generation));
  if (status.generations.length === 0) problems.push({bad: true, text: 'No index is served.'});
  for (const member of status.members) {
    const words = member.reason ? `: ${member.reason}` : '.';
    if (member.crash_loop) {
      problems.push({bad: true, text: `${member.node} ends again and again${words}`});
    } else if (member.state === 'gone' && member.reason) {
      problems.push({bad: false, text: `${member.node} ended with code ${member.exit_code}${words}`});
    } else if (member.state === 'ready' && !member.in_contact) {
      problems.push({bad: false, text: `${member.node} has lost contact with the head. Clients still ask it.`});
    }
    if (refusing.has(member.node)) problems.push({bad: false, text: `${member.node} refuses requests.`});
    if ((member.queue_wait_us ?? 0) > 500_000) {
      problems.push({bad: false, text: `Requests wait ${duration(member.queue_wait_us)} at ${member.node}.`});
    }
  }
  for (const agent of status.agents) {
    if (!agent.connected) problems.push({bad: false, text: `Agent ${agent.agent} on ${agent.host} is not connected. Its nodes go on, but are not restarted by the head's word.`});
  }
  if (status.agents.length === 0 && status.members.every((member) => member.pid === 0)) {
    problems.push({bad: true, text: 'No agent has come yet.'});
  }
  return problems.sort((a, b) => Number(b.bad) - Number(a.bad));
}

export function verdictOf(status, problems) {
  const live = status.generations.filter((generation) => generation.role === 'live');
  const wanted = live.reduce((sum, generation) => sum + generation.shards * generation.replicas, 0);
  const ready = live.flatMap((generation) => membersOf(status, generation)).filter((member) => member.state === 'ready').length;
  const shards = live.reduce((sum, generation) => sum + generation.shards, 0);
  if (problems.some((problem) => problem.bad)) {
    const things = problems.filter((problem) => problem.bad).length;
    return {colour: 'bad', sign: '✕', text: `Not well: ${things === 1 ? 'one thing needs' : `${things} things need`} somebody now.`};
  }
  if (problems.length > 0) {
    return {colour: 'busy', sign: '▲', text: `Every shard is served, but ${problems.length === 1 ? 'one thing is' : `${problems.length} things are`} not as it should be.`};
  }
  return {colour: 'well', sign: '✓', text: `All is well: ${ready} of ${wanted} replicas ready, ${shards} of ${shards} shards served.`};
}
