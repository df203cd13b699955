import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from cortado.models import PrincipalComponents

IMAGES = np.random.default_rng(1).normal(size=(50, 1, 3, 4)) * np.arange(1, 13).reshape(3, 4)


@pytest.mark.parametrize("components", [1, 5, 12])
def test_images_are_reproduced_as_by_scikit_learn(components):
    made = PrincipalComponents(size=(3, 4), components=components).fitted(IMAGES)(torch.from_numpy(IMAGES).float())
    flat = IMAGES.reshape(50, 12)
    theirs = PCA(components)
    expected = theirs.inverse_transform(theirs.fit_transform(flat)).reshape(IMAGES.shape)
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-4)


def test_its_numbers_are_its_state():
    fitted = PrincipalComponents(size=(3, 4), components=2).fitted(IMAGES)
    copy = PrincipalComponents(size=(3, 4), components=2)
    copy.load_state_dict(fitted.state_dict())
    image = torch.from_numpy(IMAGES).float()
    assert torch.equal(copy(image), fitted(image))
    assert list(fitted.parameters()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PrincipalComponents(size=(3, 4), components=13), "13 components of 12 cells, at most as many"),
        (lambda: PrincipalComponents(size=(3, 0), components=1), "columns must be an integer of at least 1, got 0"),
        (
            lambda: PrincipalComponents(size=(3, 4), components=3).fitted(IMAGES[:3]),
            "3 maps cannot give 3 components, required: more maps than components",
        ),
        (
            lambda: PrincipalComponents(size=(3, 4), components=3)(torch.zeros(2, 1, 4, 3)),
            r"made for images of \(1, 3, 4\), got \(1, 4, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
