package samplefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errFooter = errors.New("its footer is damaged")

// checkFooter makes sure that the library can read a file's footer within the
// memory that the file itself takes: the library allocates what lengths in it
// claim, many GiB in a damaged file. The last 8 bytes are the footer's length
// and a magic number (https://parquet.apache.org/docs/file-format/).
func checkFooter(file io.ReaderAt, size int64) error {
	const magic, end = 4, 8
	if size < magic+end {
		return io.ErrUnexpectedEOF
	}
	var tail [end]byte
	if _, err := file.ReadAt(tail[:], size-end); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	if length > size-magic-end {
		return fmt.Errorf("%w: %d bytes in a file of %d", errFooter, length, size)
	}
	footer := make([]byte, length)
	if _, err := file.ReadAt(footer, size-end-length); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return (&compact{footer}).skip(compactStruct, 0)
}

// Types of Thrift's compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
const (
	compactTrue = iota + 1
	compactFalse
	compactByte
	compactI16
	compactI32
	compactI64
	compactDouble
	compactBinary
	compactList
	compactSet
	compactMap
	compactStruct
)

// compact walks over values in Thrift's compact protocol.
type compact struct{ rest []byte }

// skip passes one value and reports one that claims to be longer than what is
// left: every element takes a byte at least.
func (c *compact) skip(kind byte, depth int) error {
	if depth > 32 { // metadata of Parquet nests 7 deep
		return errFooter
	}
	switch kind {
	case compactTrue, compactFalse, compactByte:
		return c.drop(1)
	case compactI16, compactI32, compactI64:
		_, err := c.number()
		return err
	case compactDouble:
		return c.drop(8)
	case compactBinary:
		n, err := c.number()
		return errors.Join(err, c.drop(n))
	case compactList, compactSet:
		return c.skipList(depth)
	case compactStruct:
		return c.skipStruct(depth)
	}
	return errFooter // metadata of Parquet has no maps
}

func (c *compact) skipStruct(depth int) error {
	for {
		header, err := c.byte()
		if err != nil || header == 0 {
			return err
		}
		kind := header & 0x0f
		if header>>4 == 0 { // the field's number follows
			if _, err := c.number(); err != nil {
				return err
			}
		}
		if kind == compactTrue || kind == compactFalse {
			continue // the type is the value
		}
		if err := c.skip(kind, depth+1); err != nil {
			return err
		}
	}
}

func (c *compact) skipList(depth int) error {
	header, err := c.byte()
	if err != nil {
		return err
	}
	n := uint64(header >> 4)
	if n == 15 {
		if n, err = c.number(); err != nil {
			return err
		}
	}
	if n > uint64(len(c.rest)) {
		return fmt.Errorf("%w: a list of %d in %d bytes", errFooter, n, len(c.rest))
	}
	for range n {
		if err := c.skip(header&0x0f, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *compact) byte() (byte, error) {
	if len(c.rest) == 0 {
		return 0, errFooter
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b, nil
}

func (c *compact) number() (uint64, error) {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		return 0, errFooter
	}
	c.rest = c.rest[n:]
	return v, nil
}

func (c *compact) drop(n uint64) error {
	if n > uint64(len(c.rest)) {
		return errFooter
	}
	c.rest = c.rest[n:]
	return nil
}
