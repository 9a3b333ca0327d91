package database_test

import (
	"math"

	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

// Values at the extremes of each tag, canonical.
func extremes() map[database.Tag][][]byte {
	ints := []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, 1 << 31, math.MaxInt64, math.MinInt64}
	all := map[database.Tag][][]byte{}
	add := func(encoded []byte) {
		tag := database.Tag(encoded[0])
		all[tag] = append(all[tag], encoded)
	}
	add(database.AppendNull(nil))
	add(database.AppendBit(nil, false))
	add(database.AppendBit(nil, true))
	for _, v := range ints {
		add(database.AppendInt(nil, v))
		add(database.AppendMoney(nil, v))
		add(database.AppendDate(nil, v))
		add(database.AppendTime(nil, v))
		add(database.AppendDateTime2(nil, v))
		for _, w := range ints {
			add(database.AppendDateTime(nil, v, w))
			add(database.AppendDateTimeOffset(nil, v, w))
		}
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, math.SmallestNonzeroFloat64, math.MaxFloat64,
		-math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0000000000001)} {
		add(database.AppendFloat64(nil, v))
	}
	for _, bits := range []uint32{0, 1 << 31, 1, 0x3f800000, 0xbf800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001} {
		add(database.AppendFloat32(nil, math.Float32frombits(bits)))
	}
	for _, unscaled := range [][]byte{{0}, {1}, {0xff}, {0x7f}, {0, 0x80}, {0x80}, {0xff, 0x7f},
		{0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff}, // 10^38-1
		{0xb4, 0xc4, 0xb3, 0x57, 0xa5, 0x79, 0x3b, 0x85, 0xf6, 0x75, 0xdd, 0xc0, 0x00, 0x00, 0x00, 0x01}} {
		for _, scale := range []byte{0, 2, 38, 255} {
			add(database.AppendDecimal(nil, scale, unscaled))
		}
	}
	add(database.AppendUUID(nil, [16]byte{}))
	add(database.AppendUUID(nil, [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}))
	for _, s := range []string{"", "a", "a ", "A", "\x00", "a\x00b", "\xff\xfe", "ä€😀", "a\u0308", string(make([]byte, 127)), string(make([]byte, 128)), string(make([]byte, 20000))} {
		add(database.AppendText(nil, s))
		add(database.AppendBytes(nil, s))
		add(database.AppendXML(nil, s))
		add(database.AppendVariant(nil, "nvarchar(10) COLLATE "+s, database.AppendText(nil, s)))
	}
	add(database.AppendVariant(nil, "decimal(10,2)", database.AppendDecimal(nil, 2, []byte{5})))
	add(database.AppendVariant(nil, "", database.AppendInt(nil, -1)))
	return all
}

// anyValue draws one canonical value of any tag but the ones left out.
func anyValue(leaveOut ...database.Tag) *rapid.Generator[[]byte] {
	var known [][]byte
	for tag := database.TagNull; tag <= database.TagVariant; tag++ { // in order, so that a seed means something
		known = append(known, extremes()[tag]...)
	}
	random := rapid.Custom(func(t *rapid.T) []byte {
		i, j := rapid.Int64().Draw(t, "i"), rapid.Int64().Draw(t, "j")
		b := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "bytes")
		return rapid.SampledFrom([][]byte{
			database.AppendInt(nil, i), database.AppendMoney(nil, i), database.AppendDate(nil, i), database.AppendTime(nil, i),
			database.AppendDateTime2(nil, i), database.AppendDateTime(nil, i, j), database.AppendDateTimeOffset(nil, i, j),
			database.AppendFloat64(nil, math.Float64frombits(uint64(i))), database.AppendFloat32(nil, math.Float32frombits(uint32(i))),
			database.AppendDecimal(nil, byte(i), b[:min(len(b), 16)]), database.AppendText(nil, b), database.AppendBytes(nil, b), database.AppendXML(nil, b),
			database.AppendVariant(nil, string(b), database.AppendInt(nil, i)),
		}).Draw(t, "value")
	})
	return rapid.OneOf(rapid.SampledFrom(known), random).Filter(func(encoded []byte) bool {
		for _, tag := range leaveOut {
			if database.Tag(encoded[0]) == tag {
				return false
			}
		}
		return true
	})
}
