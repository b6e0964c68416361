import { isFinal } from '../../kernel/job/states.js';
import type { VerifyProblem, VerifyReply } from '../../kernel/ports/job-admin.js';
import { openRef } from '../../kernel/job/short-forms.js';
import { statusOf } from './decode.js';
import { groupBy } from './group-by.js';
import type { Arg, Reply } from './script-runner.js';

/** Asks the slot of a queue for the other ends of links, see scripts/ties.lua. */
type AskTies = (queue: string, args: readonly Arg[]) => Promise<Reply>;

/** One link of a job to look at, and what its other end must be like. */
interface Question {
  readonly queue: string;
  readonly id: string;
  readonly birth: string;
  readonly field: string;
  judge(set: string, knows: boolean): void;
}

/** Holds one page of all sets of a queue against what must be true of every job. */
export async function verifyPage(queue: string, page: Reply, ask: AskTies): Promise<VerifyReply> {
  const [entries, first, second, member] = page;
  const problems: VerifyProblem[] = [];
  const questions: Question[] = [];
  for (const entry of entries as readonly Reply[]) look(queue, entry, problems, questions);
  for (const [slot, asked] of groupBy(questions, (question) => question.queue)) {
    const args: Arg[] = [asked.length];
    for (const { id, birth, field } of asked) args.push(id, birth, field);
    const answers = await ask(slot, args);
    for (const [i, question] of asked.entries()) question.judge(answers[2 * i] as string, answers[2 * i + 1] === 1);
  }
  const checked = (entries as Reply).length;
  if (member !== undefined) return { problems, checked, cursor: `${first}:${second}:${member}` };
  if (first !== second) {
    const kind = (second as number) < (first as number) ? 'orphan' : 'count';
    problems.push({ queue, kind, detail: `${first} records, ${second} entries in sets` });
  }
  return { problems, checked };
}

function look(queue: string, entry: Reply, problems: VerifyProblem[], questions: Question[]): void {
  const [set, id, recorded, , policy, held, kids] = entry as [string, string, string, string, string, Reply, Reply];
  const report = (kind: VerifyProblem['kind'], detail: string): void => {
    problems.push({ queue, id, kind, detail });
  };
  if (recorded === '') {
    report('ghost', `an entry of set "${set}" has no record`);
    return;
  }
  if (recorded !== set) report('wrong-set', `the record says "${recorded}", its set "${set}"`);
  if (set === 'b' && held.length === 0) report('stuck', 'it waits for no parent');
  for (let i = 0; i < held.length; i += 2) {
    const text = held[i] as string;
    const hidden = text.startsWith('!');
    const ref = openRef(hidden ? text.slice(1) : text);
    const name = `parent "${ref.id}" of queue "${ref.queue}"`;
    questions.push({
      ...ref,
      birth: held[i + 1] as string,
      field: `${hidden ? '!' : ''}${queue}\n${id}`,
      judge: (state, knows) => {
        if (state === '' && (hidden || policy !== 'b')) report('stuck', `it waits for ${name}, which is gone`);
        else if (state !== '' && statusOf(state) === 'completed')
          report('stuck', `it waits for ${name}, which completed`);
        else if (state !== '' && !isFinal(statusOf(state)) && !knows) {
          report('broken-link', `${name} does not know of it`);
        }
      },
    });
  }
  for (let i = 0; i < kids.length; i += 2) {
    const text = kids[i] as string;
    const ref = openRef(text.startsWith('!') ? text.slice(1) : text);
    questions.push({
      ...ref,
      birth: (kids[i + 1] as string).slice(1),
      field: '',
      judge: (state) => {
        if (state !== '' && !isFinal(statusOf(state))) return;
        report('broken-link', `its dependant "${ref.id}" of queue "${ref.queue}" has ended or is gone`);
      },
    });
  }
}
