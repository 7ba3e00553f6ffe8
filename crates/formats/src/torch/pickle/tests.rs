//! Pickles as Python and PyTorch write them, and such as nobody should write.

use super::machine::MAX_OBJECTS;
use super::*;
use crate::ErrorKind;

fn failure(bytes: &[u8]) -> (ErrorKind, String) {
    let error = Pickle::parse(bytes).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn a_forbidden_name_is_refused_by_name_and_offset() {
    let (kind, message) = failure(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.");
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.starts_with("byte 2: it refers to os.system"), "{message}");
    for name in ["builtins\neval", "posix\nsystem", "subprocess\nPopen", "os.path\njoin", "__builtin__\n__import__"] {
        let (kind, message) = failure(format!("c{name}\n.").as_bytes());
        assert_eq!(kind, ErrorKind::Unsupported, "{name}");
        assert!(message.contains("nothing of it was run"), "{message}");
    }
    let (kind, _) = failure(b"\x80\x04\x8c\x02os\x8c\x06system\x93.");
    assert_eq!(kind, ErrorKind::Unsupported);
}

#[test]
fn numbers_have_their_values() {
    let int = |bytes: &[u8]| Pickle::parse(bytes).unwrap().root;
    assert_eq!(int(b"K\xff."), Value::Int(255));
    assert_eq!(int(b"M\x01\x02."), Value::Int(513));
    assert_eq!(int(b"J\xfe\xff\xff\xff."), Value::Int(-2));
    assert_eq!(int(b"\x8a\x00."), Value::Int(0));
    assert_eq!(int(b"\x8a\x02\x00\xff."), Value::Int(-256));
    assert_eq!(int(b"\x8a\x05\x00\x00\x00\x00\x01."), Value::Int(1 << 32));
    assert_eq!(int(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00."), Value::Float(1.5));
    assert_eq!(int(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."), Value::Inert);
    assert_eq!(int(b"\x8b\x02\x00\x00\x00\x01\x01."), Value::Int(257));
    assert_eq!((int(b"I17\n."), int(b"L-5L\n."), int(b"I01\n.")), (Value::Int(17), Value::Int(-5), Value::Bool(true)));
    assert_eq!(int(b"F1.5\n."), Value::Float(1.5));
}

#[test]
fn senseless_programs_are_malformed() {
    let cases: [&[u8]; 20] = [
        b"",
        b".",
        b"(.",                        // the mark hides what is below
        b"N(\x85.",                   // a tuple of something below the mark
        b"t.",                        // no mark
        b"h\x00.",                    // an empty memo slot
        b"q\x00.",                    // nothing to remember
        b"}(NNNu.",                   // a key without a value
        b"]NNs.",                     // an item of a list
        b"}Na.",                      // appended to a dict
        b"N)R.",                      // a call of None
        b"N)\x81.",                   // an instance of None
        b"ccollections\nOrderedDict", // no end of line
        b"X\xff\xff\xff\xffabc.",     // a text of 4 GiB
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"Fx\n.",
        b"px\n.",
        b"NN\x93.",
        b"2.",
        b"0.",
    ];
    for case in cases {
        assert_eq!(failure(case).0, ErrorKind::Malformed, "{}", case.escape_ascii());
    }
}

#[test]
fn cycles_and_depth_are_harmless() {
    // A list that holds itself, and a million tuples in each other.
    let pickle = Pickle::parse(b"]q\x00h\x00a.").unwrap();
    assert!(matches!(&pickle.objects[0], Object::List(list) if *list == [Value::Object(0)]));
    let deep = [&b"N"[..], &[b'\x85'; 1_000_000], b"."].concat();
    assert_eq!(Pickle::parse(&deep).unwrap().objects.len(), 1_000_000);
}

#[test]
fn calls_with_huge_tuples_are_refused() {
    let huge = [&b"ccollections\nOrderedDict\n("[..], &[b'N'; 1000], b"tq\x00R."].concat();
    assert_eq!(failure(&huge).0, ErrorKind::Limit);
}

#[test]
fn a_tensor_is_a_checked_view() {
    let program = |offset: &[u8]| {
        [
            &b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"[..],
            b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x06tQ",
            offset,
            b"K\x02K\x03\x86K\x03K\x01\x86\x89NtR.",
        ]
        .concat()
    };
    let pickle = Pickle::parse(&program(b"K\x00")).unwrap();
    let Some(Object::Tensor(Some(view))) = pickle.object(&pickle.root) else { panic!("{pickle:?}") };
    assert_eq!((&view.shape[..], &view.strides[..], view.offset), (&[2, 3][..], &[3, 1][..], 0));
    assert_eq!((&*view.storage.kind, &*view.storage.key, view.storage.len), ("FloatStorage", "7", 6));
    assert_eq!(failure(&program(b"J\xff\xff\xff\xff")).0, ErrorKind::Malformed);
    assert_eq!(failure(&program(b"N")).0, ErrorKind::Malformed);
}

#[test]
fn what_is_unknown_is_inert_and_listed() {
    // Namespace(lr=1), as Python pickles it: an object without arguments and its state; datetime.date(b"…"),
    // called and remembered.
    let namespace = b"\x80\x02}(X\x04\x00\x00\x00argscargparse\nNamespace\nq\x00)\x81q\x01}X\x02\x00\x00\x00lrK\x01sb";
    let date = b"X\x03\x00\x00\x00daycdatetime\ndate\nc_codecs\nencode\nX\x04\x00\x00\x00abcd\
                 X\x06\x00\x00\x00latin1\x86R\x85Rq\x02";
    let device = b"X\x03\x00\x00\x00devctorch\ndevice\nX\x04\x00\x00\x00cuda\x85RX\x01\x00\x00\x00wK\x07u.";
    let pickle = Pickle::parse(&[&namespace[..], date, device].concat()).unwrap();
    let Some(Object::Dict(items)) = pickle.object(&pickle.root) else { panic!("{pickle:?}") };
    assert_eq!(items.len(), 4);
    assert_eq!(items[3], (Value::Text("w".into()), Value::Int(7)));
    assert_eq!(pickle.unknown.iter().map(|name| &**name).collect::<Vec<_>>(), ["argparse.Namespace", "datetime.date"]);
    // A class derived from dict keeps what is put into it.
    let pickle = Pickle::parse(b"\x80\x02ceasydict\nEasyDict\n)\x81X\x01\x00\x00\x00aK\x01s.").unwrap();
    assert!(matches!(pickle.object(&pickle.root), Some(Object::Unknown { items }) if items.len() == 1), "{pickle:?}");
    // A call with more arguments than anything known takes, or with none that make sense.
    for pickle in [[&b"cmine\nPoint\n("[..], &[b'N'; 1000], b"tR."].concat(), b"cmine\nPoint\nNR.".to_vec()] {
        assert!(Pickle::parse(&pickle).is_ok());
    }
}

#[test]
fn every_protocol_is_read() {
    // Python: pickle.dumps({"a": (1, 2.5, b"x", [True, None], {3}, -70000)}, protocol).
    let pickles: [&[u8]; 4] = [
        b"(dp0\nVa\np1\n(I1\nF2.5\nc_codecs\nencode\np2\n(Vx\np3\nVlatin1\np4\ntp5\nRp6\n(lp7\nI01\naNac__builtin__\n\
          set\np8\n((lp9\nI3\natp10\nRp11\nI-70000\ntp12\ns.",
        b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01(K\x01G@\x04\x00\x00\x00\x00\x00\x00c_codecs\nencode\nq\x02\
          X\x01\x00\x00\x00xq\x03X\x06\x00\x00\x00latin1q\x04\x86q\x05Rq\x06]q\x07(\x88Nec__builtin__\nset\n\
          q\x08]q\tK\x03a\x85q\nRq\x0bJ\x90\xee\xfe\xfftq\x0cs.",
        b"\x80\x03}q\x00X\x01\x00\x00\x00aq\x01(K\x01G@\x04\x00\x00\x00\x00\x00\x00C\x01xq\x02]\
          q\x03(\x88Necbuiltins\nset\nq\x04]q\x05K\x03a\x85q\x06Rq\x07J\x90\xee\xfe\xfftq\x08s.",
        b"\x80\x04\x95*\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00C\x01x\x94]\
          \x94(\x88Ne\x8f\x94(K\x03\x90J\x90\xee\xfe\xfft\x94s.",
    ];
    for bytes in pickles {
        let pickle = Pickle::parse(bytes).unwrap();
        let Some(Object::Dict(items)) = pickle.object(&pickle.root) else { panic!("{pickle:?}") };
        assert_eq!(items[0].0, Value::Text("a".into()));
        let Some(Object::Tuple(parts)) = pickle.object(&items[0].1) else { panic!("{pickle:?}") };
        assert_eq!((&parts[0], &parts[1], &parts[5]), (&Value::Int(1), &Value::Float(2.5), &Value::Int(-70_000)));
        assert!(pickle.unknown.is_empty());
    }
    assert_eq!(failure(b"\x80\x06N.").0, ErrorKind::Unsupported);
}

#[test]
fn lists_of_pairs_become_dicts_but_not_over_and_over() {
    let pair = b"X\x01\x00\x00\x00aK\x07\x86";
    let list = [b"](", &pair[..], pair, b"e"].concat();
    let pickle = Pickle::parse(&[b"ccollections\nOrderedDict\n", &list[..], b"\x85R."].concat()).unwrap();
    assert!(matches!(pickle.object(&pickle.root), Some(Object::Dict(items)) if items.len() == 2), "{pickle:?}");
    let many =
        [&b"]q\x00("[..], &b"N".repeat(1000), b"e", &b"ccollections\nOrderedDict\nh\x00\x85R".repeat(1000), b"."]
            .concat();
    assert_eq!(failure(&many).0, ErrorKind::Limit);
    assert_eq!(failure(&b"]".repeat(MAX_OBJECTS + 1)).0, ErrorKind::Limit);
}

#[test]
fn tensors_of_the_first_versions_are_views_too() {
    let storage = b"(U\x07storagectorch.cuda\nFloatStorage\nU\x017U\x03cpuK\x06";
    let view = |bytes: &[u8]| {
        let pickle = Pickle::parse(bytes).unwrap();
        match pickle.object(&pickle.root) {
            Some(Object::Tensor(Some(view))) => view.clone(),
            _ => panic!("{pickle:?}"),
        }
    };
    let sizes = b"K\x00K\x02K\x03\x86K\x03K\x01\x86t";
    let old = view(&[b"ctorch._utils\n_rebuild_tensor\n(", &storage[..], b"NtQ", sizes, b"R."].concat());
    assert_eq!((&*old.kind, &old.shape[..], old.offset, &*old.storage.key), ("FloatStorage", &[2, 3][..], 0, "7"));
    let set = view(&[b"ctorch\nFloatTensor\n)R(", &storage[..], b"NtQ", sizes, b"b."].concat());
    assert_eq!(set, old);
    // A piece of a storage, from the second value on.
    let piece = b"(U\x019K\x02K\x04ttQ";
    let piece = view(&[b"ctorch._utils\n_rebuild_tensor\n(", &storage[..], piece, sizes, b"R."].concat());
    assert_eq!((piece.offset, piece.storage.len), (2, 6));
    // Today's, with attributes, and with a type of its own.
    let v2 = [
        &b"(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n("[..],
        storage,
        b"tQ",
        &sizes[..sizes.len() - 1],
        b"\x89Nt}t",
    ]
    .concat();
    assert_eq!(view(&[b"ctorch._tensor\n_rebuild_from_type_v2\n", &v2[..], b"R."].concat()), old);
    let untyped = b"(U\x07storagectorch.storage\nUntypedStorage\nU\x017U\x03cpuK\x18tQ";
    let v3 = [
        b"ctorch._utils\n_rebuild_tensor_v3\n(",
        &untyped[..],
        &sizes[..sizes.len() - 1],
        b"\x89Nctorch\nfloat32\nNtR.",
    ]
    .concat();
    assert_eq!((&*view(&v3).kind, &*view(&v3).storage.kind), ("FloatStorage", "UntypedStorage"));
}
