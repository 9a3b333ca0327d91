package database

import (
	"encoding/binary"
	"fmt"
)

// AppendKey appends the key bytes of row to dst: an injective encoding of the key
// columns, in key order, that compares byte-wise as the values do where values have
// one obvious order (numbers, times, binary, text by UTF-8 bytes, uniqueidentifier as
// SQL Server compares it). Where the server orders by a collation the bytes do not
// follow it: a snapshot records whether its rows were in byte order, so that nobody
// has to guess.
func (t *Table) AppendKey(dst, row []byte) ([]byte, error) {
	if t.keyPrefix {
		for range t.Key {
			var err error
			if dst, row, err = appendKeyValue(dst, row); err != nil {
				return dst, fmt.Errorf("key of table %s: %w", t.Name, err)
			}
		}
		return dst, nil
	}
	for _, column := range t.Key {
		rest := row
		for range column {
			var err error
			if _, _, rest, err = skip(rest); err != nil {
				return dst, fmt.Errorf("key of table %s: %w", t.Name, err)
			}
		}
		var err error
		if dst, _, err = appendKeyValue(dst, rest); err != nil {
			return dst, fmt.Errorf("key of table %s: %w", t.Name, err)
		}
	}
	return dst, nil
}

func appendKeyValue(dst, row []byte) (key, rest []byte, err error) {
	if tag, payload, rest, err := skip(row); err == nil && tag == TagInt { // the common key, with less ado
		if v, n := varint(payload); n > 0 && n == len(payload) {
			return appendOrdered(append(dst, byte(tag)), v), rest, nil
		}
	}
	v, rest, err := Next(row)
	if err != nil {
		return dst, nil, err
	}
	dst = append(dst, byte(v.Tag))
	switch v.Tag {
	case TagNull:
	case TagBit:
		dst = append(dst, byte(v.Int))
	case TagInt, TagMoney, TagDate, TagTime, TagDateTime2:
		dst = appendOrdered(dst, v.Int)
	case TagDateTime, TagDateTimeOffset:
		dst = appendOrdered(appendOrdered(dst, v.Int), v.Aux)
	case TagFloat64, TagFloat32:
		bits := uint64(v.Int)
		if v.Tag == TagFloat32 {
			bits <<= 32
		}
		dst = binary.BigEndian.AppendUint64(dst, bits^(uint64(int64(bits)>>63)|1<<63))
	case TagDecimal:
		dst, err = appendKeyDecimal(dst, v)
	case TagUUID:
		for _, i := range uuidOrder {
			dst = append(dst, v.Bytes[i])
		}
	default:
		dst = appendEscaped(dst, v.Bytes)
	}
	return dst, rest, err
}

// uuidOrder lists the bytes of a uniqueidentifier as it is written in the order in which
// SQL Server compares them: the groups from the last to the first, the first three of
// them from their last byte, because the server keeps these little-endian. It is what
// SqlGuid in .NET does with indexes 10-15, 8, 9, 6, 7, 4, 5, 0-3 into its own layout.
var uuidOrder = [16]byte{10, 11, 12, 13, 14, 15, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0}

func appendOrdered(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

// decimalKeyLen holds decimal(38): 10^38 < 2^127.
const decimalKeyLen = 16

func appendKeyDecimal(dst []byte, v Value) ([]byte, error) {
	if len(v.Bytes) > decimalKeyLen {
		return dst, fmt.Errorf("%w: decimal of %d bytes", ErrRow, len(v.Bytes))
	}
	sign := byte(int8(v.Bytes[0]) >> 7)
	at := len(dst)
	for range decimalKeyLen - len(v.Bytes) {
		dst = append(dst, sign)
	}
	dst = append(dst, v.Bytes...)
	dst[at] ^= 0x80
	return append(dst, byte(v.Aux)), nil
}

// appendEscaped ends the bytes with 00 01 and writes 00 as 00 ff, so that a prefix
// sorts before what it begins and no two sequences collide.
func appendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, c)
		if c == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}
