package job

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"microcosm/images/guest/strict"
)

// Record tells of one thing that the agent did. Times are the guest's own: in
// gem5 the simulator's ticks between work items count instead.
type Record struct {
	Job       string `json:"job"`
	Seq       int    `json:"seq"` // from 0, one more with every record; the second argument of the call's work item
	Kind      Kind   `json:"kind"`
	Status    Status `json:"status"`
	Reason    string `json:"reason,omitempty"` // of a failure
	Step      int    `json:"step,omitempty"`
	Function  string `json:"function,omitempty"`
	Input     string `json:"input,omitempty"`
	Mode      Mode   `json:"mode,omitzero"`
	Condition string `json:"condition,omitempty"` // of a measured call or a stage, in servicetime's words
	Phase     Phase  `json:"phase,omitzero"`
	N         int    `json:"n,omitempty"` // number of the call: which input was drawn
	Marked    bool   `json:"marked,omitempty"`
	Nanos     int64  `json:"nanos,omitempty"` // round trip, or the time of the stage
	Bytes     int    `json:"bytes,omitempty"` // of the reply
	Cores     []Core `json:"cores,omitempty"`
	Machine   string `json:"machine,omitempty"` // Start: gem5 or other
	Records   int    `json:"records,omitempty"` // End: how many there are, itself included
}

// Core is how much one core worked during what the record tells of.
type Core struct {
	Core int `json:"core"`
	// Micros is the CPU time that the kernel charged to the control group confined
	// to this core: the agent and the dependencies on 0, the functions on 1.
	Micros int64 `json:"micros"`
	// Busy is the time that the core was not idle, whoever used it, in the ticks
	// of the kernel's clock (10 ms each).
	Busy int64 `json:"busy"`
}

// mark begins every line that is a record: a console carries other things too.
const mark = "@microcosm "

// maxLine bounds a line that is a record.
const maxLine = 1 << 20

// ErrIncomplete is the error of records without their end: the guest died, hung
// or was cut off.
var ErrIncomplete = errors.New("the records have no end")

// Line returns the record as the line that a guest writes: a mark, the CRC-32 of
// the rest and the record as JSON.
func Line(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write a record: %w", err)
	}
	return fmt.Appendf(nil, "%s%08x %s\n", mark, crc32.ChecksumIEEE(text), text), nil
}

// ParseLine reads what Line writes, wherever in the line it begins. It returns
// false for a line that holds no record, and an error for a damaged one.
func ParseLine(line []byte) (Record, bool, error) {
	at := bytes.Index(line, []byte(mark))
	if at < 0 {
		return Record{}, false, nil
	}
	digits, text, _ := bytes.Cut(bytes.TrimRight(line[at+len(mark):], "\r\n"), []byte(" "))
	sum, err := strconv.ParseUint(string(digits), 16, 32)
	if err != nil || uint64(crc32.ChecksumIEEE(text)) != sum {
		return Record{}, true, fmt.Errorf("damaged record %.80q", line[at:])
	}
	var r Record
	if err := strict.Unmarshal(text, &r); err != nil {
		return Record{}, true, fmt.Errorf("record %.80q: %w", text, err)
	}
	if err := r.check(); err != nil {
		return Record{}, true, fmt.Errorf("record %d: %w", r.Seq, err)
	}
	return r, true, nil
}

func (r *Record) check() error {
	var mistakes []error
	want := func(ok bool, text string) {
		if !ok {
			mistakes = append(mistakes, errors.New(text))
		}
	}
	want(r.Kind != KindInvalid, "kind is missing")
	want(r.Status != StatusInvalid, "status is missing")
	want((r.Status == Failed) == (r.Reason != ""), "a failure, and nothing else, has a reason")
	want(r.Seq >= 0 && r.Step >= 0 && r.N >= 0 && r.Nanos >= 0 && r.Bytes >= 0, "a number is negative")
	want((r.Kind == Call) == (r.Phase != PhaseInvalid), "a call, and nothing else, has a phase")
	want((r.Kind == End) == (r.Records > 0), "an end, and nothing else, has a number of records")
	stage := r.Kind == Create || r.Kind == Init || r.Kind == Call
	want(!stage || r.Function != "", "function is missing")
	return errors.Join(mistakes...)
}

// ReadRecords returns the records of one job among the lines of r: all that came
// before the first mistake, and every mistake. The error is ErrIncomplete where
// the end is missing. A job that failed is no error: its End record says so.
func ReadRecords(r io.Reader) ([]Record, error) {
	var records []Record
	var mistakes []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		record, is, err := ParseLine(lines.Bytes())
		switch {
		case err != nil:
			mistakes = append(mistakes, err)
		case is && len(mistakes) == 0:
			if err := follows(records, record); err != nil {
				mistakes = append(mistakes, err)
				continue
			}
			records = append(records, record)
		}
	}
	if err := lines.Err(); err != nil {
		mistakes = append(mistakes, fmt.Errorf("read records: %w", err))
	}
	if len(records) == 0 || records[len(records)-1].Kind != End {
		mistakes = append(mistakes, fmt.Errorf("%w: %d came", ErrIncomplete, len(records)))
	}
	return records, errors.Join(mistakes...)
}

// follows returns why next cannot come after records.
func follows(records []Record, next Record) error {
	n := len(records)
	switch {
	case next.Seq != n:
		return fmt.Errorf("record %d came where %d is due", next.Seq, n)
	case n > 0 && records[n-1].Kind == End:
		return fmt.Errorf("record %d came after the end", next.Seq)
	case n > 0 && next.Job != records[0].Job:
		return fmt.Errorf("record %d is of job %q, not %q", next.Seq, next.Job, records[0].Job)
	case next.Kind == End && next.Records != n+1:
		return fmt.Errorf("the end tells of %d records, %d came", next.Records, n+1)
	case next.Kind == End && next.Status == OK:
		for _, r := range records {
			if r.Status == Failed {
				return fmt.Errorf("the end is ok, but record %d failed: %s", r.Seq, r.Reason)
			}
		}
	}
	return nil
}
