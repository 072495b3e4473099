package sanitize

import "reflect"

// Copy returns a copy of v in which every text is one safe line: in fields that are
// exported, and behind pointers, in slices, arrays, maps and structs. It is for values
// that print themselves in several lines, where a foreign line end would make a line
// that looks like one of the program's.
func Copy[T any](v T) T {
	copied := reflect.New(reflect.TypeFor[T]()).Elem()
	copied.Set(reflect.ValueOf(&v).Elem())
	cleanValue(copied)
	return copied.Interface().(T) //nolint:forcetypeassert // it was made of this type
}

// cleanValue cleans a value in place, and copies what it shares with others first.
func cleanValue(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // numbers have no text, and what is behind an interface is left alone
	case reflect.String:
		if v.CanSet() {
			v.SetString(Line(v.String()))
		}
	case reflect.Pointer:
		if !v.IsNil() && v.CanSet() {
			to := reflect.New(v.Type().Elem())
			to.Elem().Set(v.Elem())
			cleanValue(to.Elem())
			v.Set(to)
		}
	case reflect.Slice:
		if !v.IsNil() && v.CanSet() {
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			cleanElements(v)
		}
	case reflect.Array:
		cleanElements(v)
	case reflect.Map:
		if !v.IsNil() && v.CanSet() {
			v.Set(cleanMap(v))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cleanValue(v.Field(i))
			}
		}
	}
}

// cleanElements cleans each element of a slice or an array.
func cleanElements(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return
	}
	for i := range v.Len() {
		cleanValue(v.Index(i))
	}
}

// cleanMap returns a clean copy of a map.
func cleanMap(v reflect.Value) reflect.Value {
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for key, value := range v.Seq2() {
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		k.Set(key)
		e.Set(value)
		cleanValue(k)
		cleanValue(e)
		out.SetMapIndex(k, e)
	}
	return out
}
