//go:build amd64 || arm64

package m5

// One function per pseudo-instruction, because its code is part of the
// instruction.

func exit(a, b, c, d uint64) uint64

func fail(a, b, c, d uint64) uint64

func sum(a, b, c, d uint64) uint64

func resetStats(a, b, c, d uint64) uint64

func dumpStats(a, b, c, d uint64) uint64

func dumpResetStats(a, b, c, d uint64) uint64

func checkpoint(a, b, c, d uint64) uint64

func writeFile(a, b, c, d uint64) uint64

func readFile(a, b, c, d uint64) uint64

func switchCPU(a, b, c, d uint64) uint64

func workBegin(a, b, c, d uint64) uint64

func workEnd(a, b, c, d uint64) uint64

// instructions returns the pseudo-instructions of this ISA.
func instructions() map[Op]func(a, b, c, d uint64) uint64 {
	return map[Op]func(a, b, c, d uint64) uint64{
		Exit:           exit,
		Fail:           fail,
		Sum:            sum,
		ResetStats:     resetStats,
		DumpStats:      dumpStats,
		DumpResetStats: dumpResetStats,
		Checkpoint:     checkpoint,
		WriteFile:      writeFile,
		ReadFile:       readFile,
		SwitchCPU:      switchCPU,
		WorkBegin:      workBegin,
		WorkEnd:        workEnd,
	}
}
