# SPDX-License-Identifier: GPL-3.0-or-later
"""WordPress calls itself, by each address by which it is visited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verify.browser import browse, sign_in
from tests.verify.support import Secret, Settings, Site, Stack

# A program that WordPress takes for a visit at $argv[1].
VISIT = """
    $_SERVER["HTTP_HOST"] = $argv[1];
    $_SERVER["HTTPS"] = "on";
    $_SERVER["REQUEST_METHOD"] = "GET";
    require "/var/www/html/wp-load.php";
"""
CALL = """
    $answer = wp_remote_request($argv[2], ["method" => $argv[3], "timeout" => 30, "redirection" => 2]);
    echo is_wp_error($answer) ? $answer->get_error_message() : wp_remote_retrieve_response_code($answer);
"""
HEALTH = """
    require_once ABSPATH . "wp-admin/includes/admin.php";
    wp_set_current_user(1);
    $health = WP_Site_Health::get_instance();
    foreach (WP_Site_Health::get_tests() as $kind => $tests) {
        foreach ($tests as $name => $test) {
            $method = [$health, is_string($test["test"]) ? "get_test_" . $test["test"] : ""];
            $call = $test["async_direct_test"] ?? (is_callable($method) ? $method : $test["test"]);
            $found[$name] = is_callable($call) ? $call()["status"] : "not run";
        }
    }
    echo json_encode($found);
"""
# What wordpress.org answers of a version that PHP's makers have ended, and what Site Health makes of it.
ENDED = """
    $said = ["recommended_version" => "99.9", "minimum_version" => "7.4", "is_supported" => false, "is_secure" => false,
        "is_acceptable" => true];
    $address = "https://api.wordpress.org/core/serve-happy/1.0/?php_version=" . PHP_VERSION;
    $answer = apply_filters("http_response", ["body" => json_encode($said)], [], $address);
    add_filter("pre_site_transient_php_check_" . md5(PHP_VERSION), static fn () => json_decode($answer["body"], true));
    require_once ABSPATH . "wp-admin/includes/admin.php";
    wp_set_current_user(1);
    echo WP_Site_Health::get_instance()->get_test_php_version()["status"];
"""

# What is outside of the machine, a machine for tests need not reach.
OUTSIDE = {"dotorg_communication": "Could not reach WordPress.org"}


def php(stack: Stack, code: str, *arguments: str) -> str:
    result = stack.execute("wordpress", "php", "-r", VISIT + code, "--", *arguments)
    assert result.rc == 0, result.stdout + result.stderr
    return str(result.stdout)


@pytest.fixture(params=["", "the forwarded port", ":4242"])
def at(request: pytest.FixtureRequest, site: Site, settings: Settings) -> str:
    """The name and the port of a visitor: the site's own one, or one that something in front of it listens on."""
    port = f":{site.settings.forwarded_port}" if request.param == "the forwarded port" else request.param
    return f"{settings.domain}{port}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/wp-json/", "200"),
        ("POST", "/wp-cron.php?doing_wp_cron=1", "200"),
        ("POST", "/wp-admin/admin-ajax.php?action=nothing", "400"),
        ("GET", "/sample-page", "200"),
    ],
)
def test_it_reaches_itself(stack: Stack, at: str, method: str, path: str, status: str) -> None:
    """The REST interface, its clock, a plugin's work in the background, and a page that leads to another one."""
    assert php(stack, CALL, at, f"https://{at}{path}", method) == status


def test_others_are_reached_where_they_are(stack: Stack, at: str) -> None:
    """Only the site's own name leads to NGINX: a name that is longer does not."""
    said = php(stack, CALL, at, f"https://{at.split(':')[0]}.invalid:4242/", "GET")
    assert "Could not resolve host" in said


def test_site_health_has_nothing_critical(stack: Stack, at: str) -> None:
    """All of its checks, by each address."""
    found: dict[str, Any] = json.loads(php(stack, HEALTH, at))
    assert len(found) > 10
    assert found["loopback_requests"] == "good"
    assert {name for name, status in found.items() if status == "critical"} <= set(OUTSIDE)


def test_debian_s_php_is_maintained(stack: Stack, settings: Settings) -> None:
    """A PHP that its makers have ended and Debian goes on with is an old one, and nothing critical."""
    ended = "recommended" if settings.base_family == "debian" else "critical"
    assert php(stack, ENDED, settings.domain) == ended


def test_site_health_in_a_browser(site: Site, settings: Settings, secrets: dict[str, Secret]) -> None:
    """What the administrator sees through the forwarded port, when its checks are over."""
    with browse(site) as page:
        address = "/wp-login.php?redirect_to=/wp-admin/site-health.php"
        sign_in(page, settings.admin_user, secrets["wp_admin_password.txt"], address)
        page.wait_for_url("**/wp-admin/site-health.php")
        page.wait_for_selector(".site-health-progress-wrapper:not(.loading)")
        critical = page.locator("#health-check-site-status-critical .health-check-accordion-trigger .title")
        assert set(critical.all_inner_texts()) <= set(OUTSIDE.values())
        passed = page.locator("#health-check-issues-good .health-check-accordion-trigger .title").all_text_contents()
        assert {"The REST API is available", "Your site can perform loopback requests"} <= {
            one.strip() for one in passed
        }
