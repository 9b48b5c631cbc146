// Package host measures invocations on this machine's own cores: the functions
// as real processes, each on the functions' core, called over gRPC from another
// core. It answers the questions of the detailed simulator without one, on this
// machine's clock: its platform is named host-<cpu model>, and a sample is as
// good as the machine was quiet.
//
// # What is measured
//
// Round trip is the time from sending to receiving at the client, on the
// monotonic clock. Before every call whose time counts, the core rests: the CPU
// clocks of the processes on it have stood still for 30 µs. The conditions:
//
//   - stage:init: from fork until a new process has accepted a gRPC connection,
//     seen at a resolution of 0.2 ms. Its files are in the page cache.
//   - cold: the first call of that process.
//   - warm: after calls of the same process, and nothing else, on the core.
//   - lukewarm(k): then k calls of other functions of the job's mix, one at a
//     time, drawn from the sample's seed; they are processes on the same core.
//   - flush: then a walk through data and through code, min(2 × last-level cache,
//     64 MiB) of each, by a thread on the same core.
//   - stressor(bytes): the same walk, of the given size.
//
// A database that a function needs runs on the client's cores; a function that it
// calls runs on the functions' core, and its CPU time counts as the caller's.
//
// stage:create has no meaning here (nothing is created but a process), and
// hardware gives no way to empty single structures.
//
// A process warms up until its calls have settled: the median round trip of the
// last 8 within 5 % of that of the 8 before, at most 200 calls or 2 s. Before each
// sample it is called three times more, so that a sample in one condition does
// not feel the condition of the sample before.
//
// # What is subtracted
//
// The null call (an empty echo in Go) is measured before a job's cells, warm, at
// least 30 times over six processes or more; a sample's Null is the median of its
// round trips. It is the same for every condition on purpose. The client and its
// core are warm in all of them, so that a warm null call is what measuring adds;
// a null call that was itself made lukewarm or flushed would subtract the very
// penalty that the condition is about, which a function has in its own copy of
// the gRPC server too, and short functions would show none at all.
//
// The CPU time of the null call, which is the server's share of what Null
// subtracts, must then not count as busy either, or a short function would be
// busy for longer than it serves:
//
//	Busy = CPU of the function's process − median CPU of the null call's process
//
// at least one tick and at most the service time. A stage has no null call. What
// was subtracted and what from is in the counters CounterCPU and CounterNullCPU.
//
// # What disturbs
//
// Functions and client ask for the highest priority on their cores; a note of
// Describe says where this user may not have it.
//
// Work of others on the functions' core shows as time that the function's
// threads were ready and did not run, and as involuntary context switches. A
// sample that has much more of either than the process usually has (the bounds are
// with disturbed) is emitted as rejected and measured again under the next
// number; the fourth in a row is kept, and its provenance says so, because
// a machine may be that busy for ever. An invocation that misses its deadline or
// dies is censored at its elapsed time. A cell that fails three times is given up, and
// the job goes on without it.
//
// Samples of a cell come from six processes or more, in rounds; in each round
// the cells are measured in a random order drawn from the job's seed, so that
// what drifts, drifts for all.
package host
