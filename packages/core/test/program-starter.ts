import { ChildProgram } from '../src/sources/child-program';

// Starts a program with a child of its own that writes nothing and heeds no signal, says so, and waits to be
// killed. The first argument stands in the command lines of all that it starts.
const [mark = '', mode] = process.argv.slice(2);
const silent = `trap '' INT TERM HUP PIPE; sh -c "trap '' INT TERM HUP PIPE; sleep 60; true" '${mark}' & sleep 60; true`;
const program = new ChildProgram('sh', ['-c', silent, mark], { interrupt: mode === 'interrupt' });
program.output.resume();
process.stdout.write(`${process.pid}\n`);
setInterval(() => {}, 1000);
