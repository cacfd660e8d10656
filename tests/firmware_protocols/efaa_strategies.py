"""Everything a face module and its host can say, for property tests."""

from hypothesis import strategies as st

from firmware_protocols.efaa_xor16.commands import (
    WITHOUT_DATA,
    Command,
    ConfigBaudRate,
    DeleteUser,
    DemoMode,
    Enroll,
    EnrollItg,
    GetAllUserIds,
    GetSavedImage,
    GetUserInfo,
    InitEncryption,
    OtherCommand,
    Plain,
    SetKey,
    SetThresholdLevel,
    SnapImage,
    UploadImage,
    Verify,
)
from firmware_protocols.efaa_xor16.msg_ids import LABELS_ZH, MsgId
from firmware_protocols.efaa_xor16.notes import FaceNote, Note, NoteId, OtherNote
from firmware_protocols.efaa_xor16.replies import (
    EncryptionBegun,
    EnrolledInfo,
    ImageSize,
    Info,
    Nothing,
    Opaque,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    UserInfo,
    Verified,
    Version,
)

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 2**32 - 1)


def texts(size: int) -> st.SearchStrategy[str]:
    """Text that fits a field and does not end in padding."""
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=size).filter(
        lambda text: len(text.encode()) <= size and not text.endswith(" ")
    )


itg = st.builds(
    EnrollItg,
    admin=u8,
    name=texts(32),
    direction=st.sampled_from([0, 1, 2, 4, 8, 16]),
    enroll_type=st.sampled_from([0, 1]),
    allow_duplicate=u8,
    timeout_s=u8,
    reserved=st.sampled_from([b"", bytes(3), b"\1\2\3"]),
)

commands: st.SearchStrategy[Command] = st.one_of(
    st.sampled_from(sorted(WITHOUT_DATA)).map(Plain),
    st.builds(Verify, u8, u8),
    st.builds(
        Enroll,
        timeout_s=u8,
        direction=u8,
        single=st.booleans(),
        admin=u8,
        name=texts(32),
        member_id=st.none() | u16,
    ),
    itg,
    st.builds(SnapImage, u8, u8),
    st.builds(GetSavedImage, u8),
    st.builds(UploadImage, u32, u32),
    st.builds(DeleteUser, u16),
    st.builds(GetUserInfo, u16),
    st.builds(GetAllUserIds, st.none() | u8),
    st.builds(InitEncryption, st.binary(min_size=4, max_size=4)),
    st.builds(
        InitEncryption,
        st.binary(min_size=4, max_size=4),
        u8,
        u32,
        st.sampled_from([b"", bytes(3)]),
    ),
    st.builds(ConfigBaudRate, u8),
    st.builds(SetKey, st.binary(min_size=16, max_size=16), st.booleans()),
    st.builds(SetThresholdLevel, u8, u8),
    st.builds(DemoMode, u8),
    st.builds(
        OtherCommand, st.sampled_from([MsgId.OTA_PACKET, MsgId.SET_UVC, 0x77, 0xFF]), st.binary(max_size=40)
    ),
)


def _verified(parts: int) -> st.SearchStrategy[Info]:
    fields: list[st.SearchStrategy[object]] = [u16, texts(32), u8, u8, st.binary(max_size=3)]
    return st.builds(Verified, *fields[:parts])


infos: dict[MsgId, st.SearchStrategy[Info]] = {
    MsgId.GETSTATUS: st.builds(StatusInfo, u8),
    MsgId.VERIFY: st.one_of([_verified(parts) for parts in range(1, 6)]),
    MsgId.ENROLL: st.builds(EnrolledInfo, u16) | st.builds(EnrolledInfo, u16, u8, st.binary(max_size=9)),
    MsgId.ENROLL_SINGLE: st.builds(EnrolledInfo, u16, u8),
    MsgId.ENROLL_ITG: st.builds(EnrolledInfo, u16, u8),
    MsgId.GETSAVEDIMAGE: st.builds(ImageSize, u32),
    MsgId.GETUSERINFO: st.builds(UserInfo, u16, texts(32), u8),
    MsgId.GET_ALL_USERID: st.builds(UserIds, st.lists(u16, max_size=255).map(tuple), st.integers(0, 99)),
    MsgId.GET_VERSION: st.builds(Version, texts(32)),
    MsgId.GET_SN: st.builds(SerialNumber, st.binary(max_size=32)),
    MsgId.INIT_ENCRYPTION: st.builds(EncryptionBegun, texts(20)),
}

good_replies = st.one_of(
    [st.builds(Reply, st.just(int(mid)), st.just(0), info) for mid, info in infos.items()]
)
failed_replies = st.builds(
    Reply, st.sampled_from([int(one) for one in LABELS_ZH]), st.integers(1, 255), st.just(Nothing())
)
opaque_replies = st.builds(
    Reply, st.just(int(MsgId.RESET)), u8, st.binary(min_size=1, max_size=9).map(Opaque)
)
replies = good_replies | failed_replies | opaque_replies

i16 = st.integers(-(2**15), 2**15 - 1)
notes: st.SearchStrategy[Note] = st.builds(
    OtherNote, u8.filter(lambda nid: nid != NoteId.FACE_STATE), st.binary(max_size=20)
) | st.builds(FaceNote, *[i16] * 8, st.binary(max_size=4))
