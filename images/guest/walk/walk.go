// Package walk empties what a core remembers of a function: it executes code and
// reads data of a given size on whichever core it is called. The guest agent walks
// through a process of its own (Serve), the host back end on a thread.
//
// Its pages are small, so that a walk needs many translations, and its branches
// follow no pattern, so that it trains the predictors with noise.
package walk

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
)

// Walker keeps what it walks. It is not safe for concurrent use.
type Walker struct {
	code Code
	data Data
}

// Walk executes code bytes of code and reads data bytes, rounded up to whole
// cache lines.
func (w *Walker) Walk(code, data int64) error {
	if err := cmp.Or(check(code), check(data)); err != nil {
		return err
	}
	// The smaller ones stay mapped: a job has few sizes.
	if w.code.Bytes() < code {
		mapped, err := NewCode(code)
		if err != nil {
			return err
		}
		w.code = mapped
	}
	if w.data.Bytes() < data {
		mapped, err := NewData(data)
		if err != nil {
			return err
		}
		w.data = mapped
	}
	w.code.Walk(code)
	w.data.Walk(data)
	return nil
}

// Serve walks as often as it is told to: a request is a line with the bytes of
// code and of data, the answer a line that is "done" or says what is wrong. It
// returns when the requests end.
func Serve(requests io.Reader, answers io.Writer) error {
	var w Walker
	input := bufio.NewScanner(requests)
	for input.Scan() {
		var code, data int64
		_, err := fmt.Sscanf(input.Text(), "%d %d", &code, &data)
		if err == nil {
			err = w.Walk(code, data)
		}
		answer := "done"
		if err != nil {
			answer = err.Error()
		}
		if _, err := fmt.Fprintln(answers, answer); err != nil {
			return err
		}
	}
	return input.Err()
}

// Ask has a Serve walk and waits until it is done.
func Ask(requests io.Writer, answers *bufio.Reader, code, data int64) error {
	if _, err := fmt.Fprintf(requests, "%d %d\n", code, data); err != nil {
		return err
	}
	answer, err := answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the walker does not answer: %w", err)
	}
	if answer != "done\n" {
		return errors.New(answer[:len(answer)-1])
	}
	return nil
}
