// Package gem5 measures invocations in full-system simulation: it boots a guest of
// package images in gem5, lets it start the functions and serve calls over gRPC,
// and measures call by call on the out-of-order cores of a platform.
//
// gem5 itself is a prerequisite (Find): v24.0 or newer, with the ISA of the
// platform; Ruby and KVM are not needed.
//
// # How a sample comes about
//
//  1. boot: power-on to the agent's first checkpoint, on a functional core without
//     caches. The checkpoint is shared by all functions.
//  2. prepare: from there the agent makes the sandboxes that the cell needs and calls
//     each often enough to be warm in its own memory: the warm checkpoint.
//  3. measure: restored into the platform's cores and caches, which are empty. The
//     agent marks every call; the counts of its core are taken at both ends. Only
//     the function's core is of the platform's model: on the platforms that ship, the
//     client, which is not measured, runs on gem5's timing model (client.model),
//     with the same caches, which takes less than half as long. What that changes
//     shows `cosim sample --override client.model=same` beside `cosim store slowdown`.
//
// Checkpoints are kept (package checkpoint). Two boots differ in a word on the
// kernel's command line, which the kernel mixes into its random numbers, and so in
// every address that is drawn. Samples of a cell come from at least six restores,
// in turn of either boot; a restore takes the seed of its first sample, and its
// other samples the inputs that follow.
//
// # The conditions
//
//   - warm: the calls after the CPI of the function's core has settled: the median of
//     three calls within 5 % of that of the three before, after 4 to 12 calls, and
//     then up to 5 calls later, by run: calls repeat from restore to restore, and only
//     so do the samples stem from different ones.
//   - lukewarm(k): before every call k calls of other functions of the job's mix, which
//     are in the warm checkpoint too; from the third to fifth such call on, by run. All
//     before them but the last, with what is between, runs on the functional core
//     with the platform's caches (functional, then detailed warming, as in SMARTS,
//     Wunderlich et al., ISCA 2003).
//     SettingFunctional lets all that is between run there where k is large,
//     which warms and displaces caches as they do but trains no predictor, and every
//     change of core empties the TLBs: such samples have a stack of their own.
//   - stressor(bytes): before every call a process on the function's core executes half
//     of the bytes and reads the other half.
//   - flush: the first call after a restore, so that nothing is left: caches, TLBs,
//     predictors and prefetchers are new.
//   - flush(structures): warm calls, before each of which the named structures of the
//     function's core are emptied: l1i, l1d, l2, l3, iwalk, dwalk, tlb, btb. gem5 cannot
//     empty others.
//   - cold: the first call of a new sandbox, on the platform's cores; all before it
//     (stage:create and stage:init, which are samples of their own) runs on the
//     functional core with the platform's caches, and says so in its provenance.
//
// # What is subtracted
//
// Round trip is the time from the work item's begin to its end, both at the
// client. The null call (an empty echo) is measured warm, once per platform and
// stack, as the median over restores of both boots; see package host for why it is
// the same for every condition. What a sample subtracts is the null call's round
// trip and the time by which the client's core was busier than in the null call:
// right after a restore the client is cold as well, and that is what measuring
// adds, not what the function takes. Where the function calls a database, which
// shares the client's core, only the null call is subtracted.
//
//	Busy = busy time of the function's core − that of the null call
//
// at least one tick. As both cores work at once, what the client did longer may have
// cost no time: the service time is never less than Busy.
//
// # What is not counted
//
// A sample in which the share of the client's instructions is more than 20 % off
// the median of its cell is rejected: something else ran. A run that hangs, panics
// or crashes is ended (package supervisor) and tried again with another seed; the
// call that it was in is censored at its elapsed time.
//
// Deviations: (1) gem5 does not tell user and kernel instructions apart on its
// out-of-order core, so they are one number. (2) Of what the client did longer, the
// part that overlaps with the function's work is subtracted too, down to Busy.
// (3) The time of stages is the guest's own clock on the functional core.
package gem5
