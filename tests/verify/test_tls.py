# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS, as Mozilla's guideline for servers has it today."""

from __future__ import annotations

import socket

import pytest
import sslyze
from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

from tests.verify.support import Settings, Site


@pytest.mark.rule("SVC-1")
def test_tls_is_mozilla_s_intermediate(site: Site, settings: Settings) -> None:
    """In full, by sslyze's own check: versions, ciphers, curves, the certificate with its lifetime, known faults."""
    place = sslyze.ServerNetworkLocation(
        settings.domain, settings.forwarded_port, ip_address=socket.gethostbyname(settings.address)
    )
    scanner = sslyze.Scanner()
    scanner.queue_scans(
        [
            sslyze.ServerScanRequest(
                server_location=place,
                network_configuration=sslyze.ServerNetworkConfiguration(
                    tls_server_name_indication=settings.domain, network_timeout=60, network_max_retries=3
                ),
                scan_commands=mozilla.SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
                # Trusted as a user does who has taken up the machine's authority.
                scan_commands_extra_arguments=sslyze.ScanCommandsExtraArguments(
                    certificate_info=sslyze.CertificateInfoExtraArgument(custom_ca_file=site.ca)
                ),
            )
        ]
    )
    (found,) = scanner.get_results()
    wanted = mozilla.MozillaTlsConfiguration.get(mozilla.TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    mozilla.check_server_against_tls_configuration(found, wanted)
