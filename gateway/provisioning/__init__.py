"""How a box comes to its identity at the province: enrolment by a one-time code, later renewal of its certificate.

Not the enrolment of persons, which is `gateway.checkin.enrolment`. The center's half is `gateway.registrar`.

    code       what the technician types: where to, which gateway, a one-time token, the authority's fingerprint
    messages   what both sides say, strictly read
    refusals   every reason why it did not work, and what to do
    wire       HTTPS to the registrar, believed by that fingerprint alone, at any time of this box's clock
    vault      the files of the identity: whole and old, or whole and new, whenever power goes
    enroll     all of it: `enroll(request, step=…)`
    renewal    a new certificate over the old one, and when it is due

Contract, 7; docs/gateway-enrolment.md; docs/decisions/0018.
"""

from gateway.provisioning.code import EnrolmentCode
from gateway.provisioning.enroll import Enrolled, EnrolmentRequest, Step, enroll
from gateway.provisioning.refusals import EnrolmentRefused

__all__ = ["Enrolled", "EnrolmentCode", "EnrolmentRefused", "EnrolmentRequest", "Step", "enroll"]
