// Package landmark marks the beginning and the end of a call by instructions
// that do nothing on any processor, so that an emulator which looks for them can
// count what lies between.
//
// A landmark is a no-operation with a constant that no compiler emits: on x86-64
// NOPL disp32(AX), on arm64 a MOVZ of a 16-bit constant to the zero register.
// Unlike gem5's pseudo-instructions it is valid everywhere. It carries no
// number: whoever counts sees one begin and one end per marked call, in order.
package landmark

// Constants of the landmarks: the displacement on x86-64, of which arm64 has the
// lower half.
const (
	Begin uint32 = 0x6d63_6d01
	End   uint32 = 0x6d63_6d02
)

// Marker executes landmarks as a driver's work items. The zero value is ready.
type Marker struct{}

// WorkBegin executes the landmark Begin.
func (Marker) WorkBegin(uint64, uint64) { begin() }

// WorkEnd executes the landmark End.
func (Marker) WorkEnd(uint64, uint64) { end() }
