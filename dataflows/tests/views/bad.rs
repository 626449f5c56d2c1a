//! Files with something wrong: each message says where and what to do.
