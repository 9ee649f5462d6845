//! Good, lying, broken and hostile files.
#![cfg(test)]

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::{ProptestConfig, any};
use proptest::{proptest, sample::Index};
use vision::{Kind, Picture, Unreadable};

fn slope(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let byte = |n: u32| u8::try_from(n % 256).unwrap();
        Rgb([byte(x), byte(y), byte(x + y)])
    })
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: &RgbImage) -> Vec<u8> {
    encoded(&picture.clone().into(), ImageFormat::Png)
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))
        .unwrap();
    bytes
}

fn webp(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(WebPEncoder::new_lossless(&mut bytes))
        .unwrap();
    bytes
}

fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&name[..], data].concat();
    let crc = body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

/// A PNG that says how large it is and holds next to nothing.
fn hollow_png(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, colour, 0, 0, 0],
    ]
    .concat();
    let start = b"\x89PNG\r\n\x1a\n".to_vec();
    [
        start,
        chunk(*b"IHDR", &header),
        chunk(*b"IDAT", &[]),
        chunk(*b"IEND", &[]),
    ]
    .concat()
}

fn animated_png() -> Vec<u8> {
    let still = png(&slope(64, 64));
    let frames = chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    // After the signature of 8 bytes and the header's chunk of 25.
    [&still[..33], &frames, &still[33..]].concat()
}

fn animated_webp() -> Vec<u8> {
    let piece = |name: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap();
        let padding = vec![0; data.len() % 2];
        [&name[..], &length.to_le_bytes(), data, &padding].concat()
    };
    let still = webp(&slope(64, 64));
    let frame = [&[0, 0, 0, 0, 0, 0, 63, 0, 0, 63, 0, 0, 100, 0, 0, 0][..], &still[12..]].concat();
    let body = [
        b"WEBP".to_vec(),
        piece(b"VP8X", &[0b10, 0, 0, 0, 63, 0, 0, 63, 0, 0]),
        piece(b"ANIM", &[0; 6]),
        piece(b"ANMF", &frame),
        piece(b"ANMF", &frame),
    ]
    .concat();
    piece(b"RIFF", &body)
}

#[test]
fn each_type_is_read_by_its_bytes() {
    let picture = slope(200, 100);
    for (bytes, kind) in [
        (png(&picture), Kind::Png),
        (jpeg(&picture), Kind::Jpeg),
        (webp(&picture), Kind::WebP),
    ] {
        let read = Picture::decode(&bytes).unwrap();
        assert_eq!((read.kind(), read.width(), read.height()), (kind, 200, 100));
        if kind != Kind::Jpeg {
            assert_eq!(read.pixels(), picture.as_raw(), "{kind:?} loses nothing");
        }
    }
}

#[test]
fn files_that_cannot_be_judged_are_refused_with_the_reason() {
    let gif = b"GIF89a\x40\x00\x40\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00".to_vec();
    let cases: [(&str, Vec<u8>, Unreadable); 17] = [
        ("nothing", Vec::new(), Unreadable::OtherType),
        ("text", b"hello".to_vec(), Unreadable::OtherType),
        ("GIF", gif, Unreadable::OtherType),
        (
            "SVG",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            Unreadable::OtherType,
        ),
        (
            "HEIC",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            Unreadable::OtherType,
        ),
        (
            "AVIF",
            b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec(),
            Unreadable::OtherType,
        ),
        ("too narrow", png(&slope(31, 400)), Unreadable::OutOfBounds),
        ("too flat", png(&slope(400, 31)), Unreadable::OutOfBounds),
        ("too long", hollow_png(12_001, 100, 8, 2), Unreadable::OutOfBounds),
        (
            "20,000 a side",
            hollow_png(20_000, 20_000, 8, 2),
            Unreadable::OutOfBounds,
        ),
        (
            "a header alone",
            hollow_png(16_000, 16_000, 8, 2),
            Unreadable::OutOfBounds,
        ),
        ("25 megapixels", hollow_png(5_000, 5_000, 8, 2), Unreadable::OutOfBounds),
        (
            "7,000 a side, 16 bits",
            hollow_png(7_000, 7_000, 16, 6),
            Unreadable::OutOfBounds,
        ),
        ("16 bits", hollow_png(4_800, 4_900, 16, 6), Unreadable::TooDeep),
        ("hollow", hollow_png(4_000, 4_000, 8, 2), Unreadable::Damaged),
        ("animated PNG", animated_png(), Unreadable::Animated),
        ("animated WebP", animated_webp(), Unreadable::Animated),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(Picture::decode(&bytes).err(), Some(expected), "{name}");
    }
}

#[test]
fn cut_files_are_damaged() {
    for bytes in [png(&slope(300, 300)), webp(&slope(300, 300))] {
        for tenth in 1..10 {
            let cut = &bytes[..bytes.len() * tenth / 10];
            assert_eq!(Picture::decode(cut).err(), Some(Unreadable::Damaged), "{tenth} tenths");
        }
    }
    let whole = jpeg(&slope(300, 300));
    assert_eq!(Picture::decode(&whole[..100]).err(), Some(Unreadable::Damaged));
}

#[test]
fn a_file_with_the_start_of_another_type_is_damaged() {
    let (one, two) = (png(&slope(64, 64)), jpeg(&slope(64, 64)));
    let lying = [&one[..8], &two[..]].concat();
    assert_eq!(Picture::decode(&lying).err(), Some(Unreadable::Damaged));
    let lying = [&two[..3], &one[..]].concat();
    assert_eq!(Picture::decode(&lying).err(), Some(Unreadable::Damaged));
}

#[test]
fn a_picture_in_the_transparency_alone_is_seen() {
    let veiled = RgbaImage::from_fn(64, 64, |x, _| Rgba([0, 0, 0, if x < 32 { 255 } else { 0 }]));
    let picture = Picture::decode(&encoded(&veiled.into(), ImageFormat::Png)).unwrap();
    assert_eq!(picture.pixels()[..3], [0, 0, 0]);
    assert_eq!(picture.pixels()[63 * 3..64 * 3], [255, 255, 255]);
}

#[test]
fn exif_turns_a_picture_upright() {
    let bytes = jpeg(&slope(80, 40));
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    tiff.splice(0..0, [0xff, 0xe1, length[0], length[1]]);
    let turned = [&bytes[..2], &tiff, &bytes[2..]].concat();
    let picture = Picture::decode(&turned).unwrap();
    assert_eq!((picture.width(), picture.height()), (40, 80));
}

#[test]
fn what_a_provider_is_sent_is_small_and_holds_pixels_alone() {
    let picture = Picture::decode(&png(&slope(3_000, 1_000))).unwrap();
    let shrunk = picture.shrunk().unwrap();
    let again = Picture::decode(&shrunk).unwrap();
    assert_eq!((again.kind(), again.width(), again.height()), (Kind::Jpeg, 768, 256));
    let small = Picture::decode(&png(&slope(100, 50))).unwrap().shrunk().unwrap();
    let small = Picture::decode(&small).unwrap();
    assert_eq!((small.width(), small.height()), (100, 50), "nothing is enlarged");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The decoders are other people's: whatever comes, they return.
    #[test]
    fn changed_files_never_panic(kind in 0..3_usize, changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..12)) {
        let picture = slope(48, 40);
        let mut bytes = [png, jpeg, webp][kind](&picture);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = Picture::decode(&bytes);
    }
}
