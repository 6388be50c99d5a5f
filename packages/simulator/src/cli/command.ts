import { SimulatorError } from '../errors.ts';
import { type Command, type Flags, type Parsed, parseCommand } from './flags.ts';

/** Something was checked and does not hold: an event is missing, or there twice. */
export const EXIT_FAILED = 1;
/** The command could not do its work: a wrong flag, a missing file, no stack. */
export const EXIT_UNUSABLE = 2;

type Arguments<F extends Flags> = Extract<Parsed<F>, { readonly files: readonly string[] }>;

/** Runs a command with what is on the command line. What a person can mend is a sentence, not a stack. */
export async function runCommand<F extends Flags>(
  command: Command<F>,
  body: (args: Arguments<F>) => Promise<void>,
): Promise<void> {
  try {
    const parsed = parseCommand(command, process.argv.slice(2));
    if (parsed.help !== undefined) console.log(parsed.help);
    else await body(parsed as Arguments<F>);
  } catch (error) {
    if (!(error instanceof SimulatorError)) throw error;
    console.error(error.message);
    process.exitCode = EXIT_UNUSABLE;
  }
}
