"""What the server is, and its pages for people."""

import html
import json
import xml.etree.ElementTree

import pytest

import patron_client


def test_the_server_tells_what_it_is(shop):
    info = shop.info()
    assert (info.time_zone, info.currency, info.as_of_rule) == ("Europe/London", "GBP", "latest")
    assert info.version.count(".") == 2
    assert info.limits.max_rows == 10_000
    assert info.limits.max_message_bytes == 4 * 1024 * 1024
    assert "streaming" in info.extensions
    (policy,) = json.loads(info.service_config)["methodConfig"]
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


@pytest.mark.parametrize("model", ["segments", "rfm", "churn", "propensity", "forecast"])
def test_a_page_of_each_kind(shop, model):
    report = shop.report(model)
    assert (report.model, report.version) == (model, 1)
    page = xml.etree.ElementTree.fromstring(report.html.partition(">")[2])
    assert page.tag.endswith("html")
    assert repr(report) == f"Report(model={model!r}, version=1)"


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(shop):
    report = shop.report("churn", "champion")
    frame = xml.etree.ElementTree.fromstring(
        report._repr_html_().replace("<iframe sandbox", '<iframe sandbox=""')
    )
    assert (frame.tag, frame.get("title")) == ("iframe", "churn/1")
    # An attribute of XML holds no line breaks.
    assert frame.get("srcdoc").split() == report.html.split()
    assert html.escape(report.html) in report._repr_html_()


def test_a_page_is_saved(shop, tmp_path):
    path = tmp_path / "churn.html"
    report = shop.report("churn", 1, path)
    assert path.read_bytes() == report.html.encode()
    assert report.save(str(path)) == path


def test_a_page_compares_the_customers_of_today_where_wanted(shop):
    assert len(shop.report("churn", drift=True).html) > len(shop.report("churn").html)


def test_there_is_no_page_of_what_is_not_there(shop):
    with pytest.raises(patron_client.NotFound) as caught:
        shop.report("churn", 99)
    assert caught.value.reason == "VERSION_NOT_FOUND"
