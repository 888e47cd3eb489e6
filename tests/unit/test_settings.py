"""What a configuration may say, what is said of one that can not be used, and what becomes of a good one."""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from exporter import config_faults, settings_types
from exporter.aws.sessions import identity_of
from exporter.durations import format_duration, parse_duration
from exporter.model import Access, Quota, Target
from exporter.settings import ConfigError, Settings, ShardSettings, config_hash, load, redacted_yaml
from exporter.targets import discovery_access, discovery_quotas, discovery_targets, names, serves, targets
from exporter.web.passwords import Login
from tests.tools import REPOSITORY

CONFIGS = REPOSITORY / "tests" / "configs"
GOOD = sorted((CONFIGS / "good").glob("*.yml"))
BAD = sorted((CONFIGS / "bad").glob("*.yml"))
MINIMAL = CONFIGS / "good" / "minimal.yml"
EVERYTHING = CONFIGS / "good" / "everything.yml"
PREFIX = "AMAZON_CONNECT_EXPORTER_"
ID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
ARN = f"arn:aws:connect:us-east-1:123456789012:instance/{ID}"


def variables(**values: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in values.items()}


def faults(path: Path | str | None, environ: Mapping[str, str] = {}, **overrides: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ, overrides)
    return caught.value.faults


def written(directory: Path, text: str | bytes) -> Path:
    path = directory / "config.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def settings(directory: Path, text: str) -> Settings:
    return load(written(directory, text), {})


# Files


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_answered_with_the_lines_in_its_first_comments(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    expected = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("# ")]
    assert expected
    assert list(faults(path.name)) == expected


def test_there_is_a_bad_file_for_everything_that_is_said_of_a_value() -> None:
    said = "".join(path.read_text() for path in BAD)
    assert [words for words in config_faults.WORDS.values() if isinstance(words, str) and words not in said] == []


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_taken(path: Path) -> None:
    assert isinstance(load(path, {}), Settings)


def test_everything_yml_holds_every_key_there_is() -> None:
    def keys(kind: Any) -> set[str]:
        inner = config_faults.plain_type(kind)
        if typing.get_origin(inner) is tuple:
            return keys(typing.get_args(inner)[0])
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return set()
        return set(inner.model_fields) | {
            key for field in inner.model_fields.values() for key in keys(field.annotation)
        }

    text = EVERYTHING.read_text()
    assert [key for key in sorted(keys(Settings)) if f"{key}:" not in text] == []


def test_every_key_has_its_documentation_beside_it() -> None:
    def undocumented(kind: type[BaseModel]) -> list[str]:
        found = [f"{kind.__name__}.{name}" for name, field in kind.model_fields.items() if not field.description]
        for field in kind.model_fields.values():
            inner = config_faults.plain_type(field.annotation)
            inner = config_faults.plain_type(typing.get_args(inner)[0]) if typing.get_origin(inner) is tuple else inner
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += undocumented(inner)
        return found

    assert undocumented(Settings) == []


def test_defaults_are_those_that_are_promised() -> None:
    loaded = load(MINIMAL, {})
    assert loaded.web.listen_address == ":10042"
    assert loaded.web.address == ("", 10042)
    assert not loaded.web.enable_lifecycle
    assert (loaded.log.level, loaded.log.format) == ("info", "console")
    assert (loaded.aws.connect_timeout, loaded.aws.read_timeout, loaded.aws.quota_share) == (3, 20, 0.6)
    assert loaded.instances[0].timezone == "UTC"
    assert loaded.instances[0].channels == ("VOICE", "CHAT", "TASK", "EMAIL")
    assert loaded.inventory.interval == 600
    current, historical, counters = loaded.collectors.current, loaded.collectors.historical, loaded.collectors.counters
    assert current.enabled
    assert historical.enabled
    assert counters.enabled
    assert (current.interval, historical.interval, counters.interval, counters.settle) == (15, 60, 60, 900)
    assert current.levels == ("queue", "routing_profile", "instance")
    assert historical.levels == ("queue", "instance")
    assert historical.windows == ("30m", "today")
    assert historical.service_level_thresholds == (20, 60)
    assert (current.metrics, historical.metrics, current.zero_fill) == (("all",), ("all",), "served")
    assert (loaded.max_age, loaded.limits.max_series) == (300, 500_000)
    assert (loaded.shard.index, loaded.shard.total) == (0, 1)


def test_the_file_is_named_as_the_user_typed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert faults("./missing.yml") == ("./missing.yml: no such file",)


def test_a_path_with_a_line_break_still_makes_one_line(tmp_path: Path) -> None:
    (line,) = faults(f"{tmp_path}/no\nsuch\x1b[31m.yml")
    assert line == f"{tmp_path}/no\\nsuch\\x1b[31m.yml: no such file"


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    assert faults(tmp_path) == (f"{tmp_path}: is a directory, not a file",)


@contextmanager
def as_anybody() -> Iterator[None]:
    """Without root's right to read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "instances: []")
    path.chmod(0)
    with as_anybody():
        lines = faults(path)
    assert lines == (f"{path}: can not be read: permission denied",)


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, b"instances: []\n# caf\xe9\n")
    assert faults(path) == (f"{path}: line 2: is not UTF-8 text",)


def test_a_control_character_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "log:\n  level: \x1b[31m\n")
    assert faults(path) == (f"{path}: line 2: not YAML: holds a control character",)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert load(written(tmp_path, b"\xef\xbb\xbf" + MINIMAL.read_bytes()), {}) == load(MINIMAL, {})


def test_a_file_of_more_than_a_mebibyte_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, "# " + "x" * (1 << 20))
    assert faults(path) == (f"{path}: is larger than 1 MiB: not a configuration file",)


def test_a_device_without_end_is_refused() -> None:
    assert faults("/dev/zero") == ("/dev/zero: is larger than 1 MiB: not a configuration file",)


@pytest.mark.parametrize("depth", [60, 5_000])
def test_deep_nesting_is_refused(tmp_path: Path, depth: int) -> None:
    (line,) = faults(written(tmp_path, "instances: " + "[" * depth + "]" * depth))
    assert "is nested more than 50 levels deep" in line


def test_merge_keys_can_not_be_made_a_bomb(tmp_path: Path) -> None:
    text = "a: &a {k: v}\n" + "".join(
        f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 20)}]}}\n" for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    (line,) = faults(written(tmp_path, text))
    assert "holds more than 50000 values" in line


def test_all_faults_come_out_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "shard: {index: 1}\ninstances:\n  - {id: two words, colour: red}\n  - id: abc\nmax_age: 0\nweb: {port: 1}\n",
    )
    lines = faults(path, variables(LOG__LEVEL="loud", LIMITS__MAXSERIES="1"))
    assert [line.removeprefix(f"{path}: ").partition(": ")[0] for line in lines] == [
        PREFIX + "LIMITS__MAXSERIES",
        "shard.index",
        "instances.0.id",
        "instances.0.colour",
        "instances.0.region",
        "instances.1.region",
        "max_age",
        "web.port",
        PREFIX + "LOG__LEVEL",
    ]


def test_credentials_in_the_file_are_refused_and_not_repeated() -> None:
    lines = faults(CONFIGS / "bad" / "credentials.yml")
    assert len(lines) == 2
    assert all("boto3's own chain" in line for line in lines)
    assert not any("EXAMPLE" in line for line in lines)


def test_a_password_in_a_url_is_not_repeated() -> None:
    assert "hunter2" not in "".join(faults(CONFIGS / "bad" / "password-in-endpoint.yml"))


def test_texts_keep_the_spelling_that_yaml_would_take_for_something_else(tmp_path: Path) -> None:
    for alias in ("0012", "1.10", "on", "no", "2026-01-31", "1e3", "12:30", "0x1F"):
        loaded = settings(tmp_path, f"instances: [{{id: abc, region: eu-west-2, alias: {alias}}}]")
        assert loaded.instances[0].alias == alias


@pytest.mark.parametrize("word", ["off", '"off"', "false"])
def test_off_is_a_word_though_yaml_takes_it_for_a_boolean(tmp_path: Path, word: str) -> None:
    text = MINIMAL.read_text() + f"collectors: {{current: {{zero_fill: {word}}}}}\n"
    assert settings(tmp_path, text).collectors.current.zero_fill == "off"


@pytest.mark.parametrize(
    ("word", "meant"), [("yes", True), ("on", True), ("True", True), ("no", False), ("off", False)]
)
def test_booleans_are_read_as_yaml_1_1_reads_them(tmp_path: Path, word: str, meant: bool) -> None:
    text = MINIMAL.read_text() + f"web: {{enable_lifecycle: {word}}}\n"
    assert settings(tmp_path, text).web.enable_lifecycle is meant


def test_empty_blocks_have_their_defaults(tmp_path: Path) -> None:
    empty = "web:\nlog: null\naws: ~\ndiscovery:\ncollectors: {current: , historical: {interval: }}\n"
    assert settings(tmp_path, MINIMAL.read_text() + empty) == load(MINIMAL, {})


def test_one_metric_may_be_written_without_brackets(tmp_path: Path) -> None:
    text = MINIMAL.read_text() + "collectors: {current: {metrics: AGENTS_ONLINE}}\n"
    assert settings(tmp_path, text).collectors.current.metrics == ("AGENTS_ONLINE",)


def test_json_is_yaml(tmp_path: Path) -> None:
    text = '{"instances": [{"id": "abc", "region": "eu-west-2", "quota_share": 0.5}], "max_age": "90s"}'
    loaded = settings(tmp_path, text)
    assert (loaded.instances[0].quota_share, loaded.max_age) == (0.5, 90)


def enumeration(shape: Any) -> list[str]:
    """Stubs do not know that a string's shape has one."""
    return list(shape.enum)


def test_the_metrics_that_may_be_chosen_are_those_of_the_api() -> None:
    model = botocore.session.get_session().get_service_model("connect")
    for ours, theirs in (
        (settings_types.CurrentMetric, "CurrentMetricName"),
        (settings_types.HistoricalMetric, "HistoricalMetricName"),
        (settings_types.Channel, "Channel"),
    ):
        assert set(typing.get_args(ours)) - {"all"} == set(enumeration(model.shape_for(theirs)))
    assert set(typing.get_args(settings_types.Operation)) <= set(model.operation_names)


# Environment and command line


def test_a_variable_wins_over_the_file() -> None:
    loaded = load(EVERYTHING, variables(WEB__LISTEN_ADDRESS=":1", SHARD__INDEX="1", AWS__READ_TIMEOUT=" 7s\n"))
    assert (loaded.web.listen_address, loaded.shard.index, loaded.aws.read_timeout) == (":1", 1, 7)
    assert loaded.web.enable_lifecycle  # its neighbour in the file stays


def test_the_command_line_wins_over_a_variable() -> None:
    loaded = load(MINIMAL, variables(LOG__LEVEL="error"), {"log.level": "debug", "shard.total": 4})
    assert (loaded.log.level, loaded.shard.total) == ("debug", 4)


def test_variables_alone_are_a_configuration() -> None:
    loaded = load(None, variables(INSTANCES__0__ID=ID, INSTANCES__0__REGION="eu-west-2", LOG__LEVEL="INFO"))
    assert loaded == load(MINIMAL, {})


def test_lists_and_mappings_are_written_as_yaml_in_a_variable() -> None:
    loaded = load(
        MINIMAL,
        variables(
            INSTANCES='[{"id": "abc", "region": "eu-west-2"}]',
            COLLECTORS__CURRENT__LEVELS="[queue]",
            COLLECTORS__CURRENT__METRICS="all",
            INSTANCES__0__QUEUES="{include: [A.*]}",
            AWS__QUOTAS__GETMETRICDATA__RATE="1",
            AWS__QUOTAS__GETMETRICDATA__BURST="2",
        ),
    )
    assert [instance.id for instance in loaded.instances] == ["abc"]
    assert loaded.instances[0].queues.include == ("A.*",)
    assert loaded.collectors.current.levels == ("queue",)
    assert loaded.collectors.current.metrics == ("all",)
    assert {name: quota.burst for name, quota in loaded.aws.quotas.items()} == {"GetMetricData": 2}


def test_an_index_changes_an_element_or_adds_the_next() -> None:
    environ = variables(
        **{f"INSTANCES__{index}__ID": f"id-{index}" for index in range(11, 0, -1)},
        AWS__REGION="us-west-2",
        INSTANCES__0__ALIAS="first",
    )
    loaded = load(MINIMAL, environ)
    assert [instance.id for instance in loaded.instances] == [ID, *(f"id-{index}" for index in range(1, 12))]
    assert loaded.instances[0].alias == "first"


def test_an_index_that_leaves_a_gap_is_a_fault() -> None:
    assert faults(MINIMAL, variables(INSTANCES__2__ID="abc")) == (
        f"{PREFIX}INSTANCES__2__ID: leaves a gap: the next index is 1",
    )


def test_null_in_a_variable_takes_back_what_the_file_says() -> None:
    assert load(EVERYTHING, variables(AWS__ROLE_ARN="null")).aws.role_arn is None


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(MINIMAL, variables(LOG__LEVEL="", AWS__REGION=" ")) == load(MINIMAL, {})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WEB__LISTEN_ADDRESS", "here", 'not an address: write it as ":10042", "127.0.0.1:10042" or "[::1]:10042"'),
        ("WEB__PORT", "10042", "unknown key; known: listen_address, config_file, enable_lifecycle"),
        ("LIMITS__MAX_SERIES__0", "1", "unknown key: nothing stands beneath this"),
        ("WEB__LISTEN_ADRESS", ":1", f'unknown key; did you mean "{PREFIX}WEB__LISTEN_ADDRESS"?'),
        ("WEB_LISTEN_ADDRESS", ":1", f'unknown key; did you mean "{PREFIX}WEB__LISTEN_ADDRESS"?'),
        ("AWS__REGION__OF__THE__WORLD", "eu-west-2", "unknown key"),
        ("AWS__SECRET_ACCESS_KEY", "wJalrXUtnFEMI", config_faults.NO_CREDENTIALS),
        ("INSTANCES__0__QUEUES__INCLUDE__0", "(", "not a regular expression: missing ), unterminated subpattern"),
        ("INSTANCES__0__QUEUES", "{include: ['(']}", "include.0: not a regular expression: missing ), unterminated"),
        ("INSTANCES__0__QUEUES", "{include: [", "line 1, column 12: not YAML: ends within a bracket that is never"),
        ("COLLECTORS__CURRENT__TIMEZONE", "UTC", "unknown key; known: enabled, interval, levels, metrics, zero_fill"),
        ("INSTANCES", "abc", "must be a list: write [a, b], or one a line after a dash"),
        ("AWS__PROFILE", "\udce9", "must be valid Unicode text"),
        ("", "x", "unknown key; known: web, log, aws, instances, "),
    ],
)  # fmt: skip
def test_a_fault_of_a_variable_names_the_variable(name: str, value: str, message: str) -> None:
    (line,) = faults(MINIMAL, {PREFIX + name: value})
    assert line.startswith(f"{PREFIX}{name}: {message}")
    assert "wJalr" not in line


def test_a_fault_of_the_command_line_names_the_flag() -> None:
    assert faults(MINIMAL, {}, **{"log.level": "loud"}) == ("--log-level: must be one of debug, info, warning, error",)
    assert faults(MINIMAL, {}, **{"web.config_file": ""}) == ("--web-config-file: must not be empty",)


def test_the_path_of_the_web_configuration_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(MINIMAL.read_text() + "\nweb: {config_file: tls/web.yml}\n")
    assert load(config, {}).web.config_file == str(tmp_path / "tls/web.yml")
    assert load(config, variables(WEB__CONFIG_FILE="tls/web.yml")).web.config_file == "tls/web.yml"
    assert load(config, {}, {"web.config_file": "tls/web.yml"}).web.config_file == "tls/web.yml"


def test_without_a_file_what_is_missing_is_named_as_a_variable() -> None:
    assert faults(None) == (
        f"{PREFIX}INSTANCES: Field required: an instance here, or regions to search under discovery; "
        "or name a file with --config",
    )
    assert faults(None, variables(INSTANCES__0__ID="abc")) == (f"{PREFIX}INSTANCES__0__REGION: Field required",)


def test_an_unreadable_file_does_not_hide_the_faults_of_variables() -> None:
    assert len(faults("missing.yml", variables(WEBB="x"))) == 2


def test_variables_that_kubernetes_makes_of_a_service_of_our_name_are_ignored() -> None:
    service = {
        "SERVICE_HOST": "10.0.0.7",
        "SERVICE_PORT": "10042",
        "SERVICE_PORT_HTTP": "10042",
        "SERVICE_PORT_HTTP_METRICS": "10042",
        "PORT": "tcp://10.0.0.7:10042",
        "PORT_10042_TCP": "tcp://10.0.0.7:10042",
        "PORT_10042_TCP_PROTO": "tcp",
        "PORT_10042_TCP_PORT": "10042",
        "PORT_10042_TCP_ADDR": "10.0.0.7",
        "PORT_53_UDP_ADDR": "10.0.0.7",
        "EU_PROD_SERVICE_HOST": "10.0.0.8",
        "EU_PROD_PORT_10042_TCP_ADDR": "10.0.0.8",
    }
    assert load(MINIMAL, variables(**service)) == load(MINIMAL, {})


def test_variables_of_others_are_not_looked_at() -> None:
    assert load(MINIMAL, {"AWS_REGION": "us-east-1", "AMAZON_CONNECT": "x", "PATH": "/bin"}) == load(MINIMAL, {})


# What becomes of it


def test_an_arn_brings_region_account_and_id() -> None:
    (first, second) = targets(load(CONFIGS / "good" / "arn.yml", {}))
    assert (first.instance_id, first.account_id, first.arn) == (ID, "123456789012", ARN)
    assert first.access == Access(region="us-east-1")
    assert second.access.region == "us-gov-west-1"


def test_an_arn_wins_over_the_region_for_all(tmp_path: Path) -> None:
    (target,) = targets(settings(tmp_path, f"aws: {{region: eu-west-2}}\ninstances: [{{id: '{ARN}'}}]"))
    assert target.key == ("us-east-1", ID)


def test_an_instance_overrides_the_keys_of_aws_and_null_is_an_override_too() -> None:
    first, second = targets(load(EVERYTHING, {}))
    assert first.access == Access(
        region="eu-west-2",
        profile="monitoring",
        role_arn="arn:aws:iam::210987654321:role/connect-reader",
        external_id="0012",
        session_name="metrics@eu",
        endpoint_url="http://127.0.0.1:4566",
        connect_timeout=0.5,
        read_timeout=90.0,
    )
    assert (first.quota_share, first.quotas["GetCurrentMetricData"]) == (1.0, Quota(10.0, 16.0))
    assert second.access == Access(
        region="us-west-2",
        session_name="metrics-of-the-us",
        endpoint_url="https://vpce-0a1b2c3d.connect.us-west-2.vpce.amazonaws.com",
        connect_timeout=4.0,
        read_timeout=25.0,
    )
    assert (second.quota_share, dict(second.quotas)) == (0.25, {})


def test_the_rest_of_an_instance_reaches_its_target() -> None:
    first, second = targets(load(EVERYTHING, {}))
    assert (first.alias, first.timezone, first.channels) == ("0012", "Europe/London", ("VOICE", "EMAIL"))
    assert (first.account_id, first.arn, first.discovered) == (None, "", False)
    assert first.queues.include[0].fullmatch("Support 1")
    assert not first.queues.include[1].fullmatch("Billing 2")
    assert first.routing_profiles.exclude[0].fullmatch("Spare (night)")
    assert second.alias == "on"


def test_a_discovered_instance_is_collected_as_its_block_says() -> None:
    loaded = load(CONFIGS / "good" / "discovery.yml", {})
    (block,) = loaded.discovery
    target = discovery_targets(block, loaded, ID, "shop", ARN, "us-east-1")
    assert (target.key, target.alias, target.account_id, target.arn) == (("us-east-1", ID), "shop", "123456789012", ARN)
    assert (target.timezone, target.quota_share, target.discovered) == ("America/New_York", 0.4, True)
    assert target.access == discovery_access(block, loaded, "us-east-1")
    assert target.access.external_id == "Qx7/w2"
    assert discovery_quotas(block, loaded) == (0.4, {})
    assert names(block.aliases).exclude[0].fullmatch("shop-test")
    assert discovery_targets(block, loaded, ID, "", "", "us-east-1").alias is None
    assert discovery_targets(block, loaded, ID, None, "", "us-east-1").account_id is None


@given(st.uuids(), st.integers(1, 20))
def test_every_instance_falls_to_exactly_one_shard(instance: Any, total: int) -> None:
    def serving(id_: str) -> list[int]:
        return [index for index in range(total) if serves(ShardSettings(index=index, total=total), id_)]

    assert len(serving(str(instance))) == 1
    assert serving(str(instance)) == serving(str(instance).upper())


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_shown_configuration_is_one_that_means_the_same(path: Path, tmp_path: Path) -> None:
    loaded = load(path, {})
    again = settings(tmp_path, redacted_yaml(loaded).replace("<hidden>", loaded_external_id(loaded)))
    assert redacted_yaml(again) == redacted_yaml(loaded)
    assert targets(again) == targets(loaded)
    assert config_hash(again) == config_hash(loaded)


def loaded_external_id(loaded: Settings) -> str:
    blocks = (loaded.aws, *loaded.instances, *loaded.discovery)
    return next((f'"{block.external_id}"' for block in blocks if block.external_id), "")


def test_the_shown_configuration_has_durations_as_text_and_values_as_they_hold() -> None:
    text = redacted_yaml(load(EVERYTHING, {}))
    assert "max_age: 10m\n" in text
    assert text.count("read_timeout: 1m30s\n") == 3  # aws, the first instance, discovery


def test_what_an_external_id_and_a_password_pass_through_shows_neither() -> None:
    access = Access("eu-west-2", role_arn="arn:aws:iam::111122223333:role/r", external_id="hunter2")
    for holder in (access, identity_of(access), Target("i", access), Login("user", b"hunter2")):
        assert "hunter2" not in repr(holder)


def test_an_external_id_is_shown_nowhere(tmp_path: Path) -> None:
    loaded = load(MINIMAL, variables(AWS__EXTERNAL_ID="hunter2-hunter2", INSTANCES__0__EXTERNAL_ID="hunter2-own"))
    assert "hunter2" not in redacted_yaml(loaded)
    assert "hunter2" not in repr(loaded)
    assert "external_id: <hidden>\n" in redacted_yaml(loaded)


def test_the_hash_tells_configurations_apart_and_not_notations(tmp_path: Path) -> None:
    loaded = load(MINIMAL, {})
    other_words = f"max_age: 300s\naws: {{region: eu-west-2}}\nlog: {{level: info}}\ninstances: [{{id: {ID}}}]"
    assert config_hash(load(MINIMAL, variables(AWS__REGION="eu-west-2"))) == config_hash(
        settings(tmp_path, other_words)
    )
    assert len({config_hash(load(path, {})) for path in GOOD}) == len(GOOD)
    assert int(float(config_hash(loaded))) == config_hash(loaded) > 0


def test_settings_can_not_be_changed() -> None:
    loaded = load(MINIMAL, {})
    with pytest.raises(ValueError, match="frozen"):
        loaded.max_age = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":10042", ("", 10042)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),  # noqa: S104 - parsed, not listened on
        ("localhost:80", ("localhost", 80)),
        ("[::1]:65535", ("::1", 65535)),
        ("exporter-1.internal:9999", ("exporter-1.internal", 9999)),
    ],
)
def test_addresses_have_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert load(MINIMAL, {}, {"web.listen_address": text}).web.address == address


@pytest.mark.parametrize(
    "text", ["", ":", "10042", "::1:10042", "[::1]", "[::g]:1", ":65536", "a b:1", "1.2.3:4", "http://a:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert len(faults(MINIMAL, {}, **{"web.listen_address": text})) == 1


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("500ms", 0.5), ("1m30s", 90), ("2w", 1_209_600),
     ("1y", 31_536_000), ("0s", 0), ("1d2h3m4s5ms", 93784.005)],
)  # fmt: skip
def test_durations_are_read_as_prometheus_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "15",
        "1.5h",
        "-5s",
        "5 m",
        "30m1h",
        "5m5m",
        "5M",
        "s",
        "1h30",
        "٣s",
        "99999999999s",
        15,
        1.5,
        None,
        True,
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration: write it as 15s, 5m or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_duration_is_written_so_that_it_reads_the_same(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


# Never a traceback


@given(st.text(max_size=60), st.sampled_from(["", "instances: ", "aws: {region: ", "- ", "? "]))
def test_no_text_makes_anything_but_faults_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str, before: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yml"
    path.write_text(before + text, encoding="utf-8", errors="ignore")
    for line in faults(path):
        assert line.isprintable()
        assert line.startswith(f"{path}: ")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "region", "rate", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "instances",
    "instances.0",
    "instances.0.queues.include",
    "discovery",
    "aws",
    "aws.quotas",
    "aws.quota_share",
    "web.listen_address",
    "log.level",
    "collectors",
    "collectors.historical.windows",
    "shard",
    "max_age",
]


@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4))
def test_no_value_of_any_type_makes_anything_but_faults(overrides: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert redacted_yaml(load(MINIMAL, {}, overrides))
